/**
 * A failure that the user can fix: the message says what is wrong, where, and how to fix it. The command prints the
 * message alone, without a stack, and exits with 1. Such an error stays one on its way from a service's thread.
 */
export class UserError extends Error {
  override readonly name: string = "UserError";
}

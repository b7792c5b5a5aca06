/**
 * A failure that the user can fix: the message says what is wrong, where, and how to fix it. The command prints only
 * the message, without a stack, and exits with 1. The error keeps its type when it leaves a service's thread.
 */
export class UserError extends Error {
  override readonly name: string = "UserError";
}

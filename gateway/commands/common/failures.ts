import { UserError } from "../../../domain/user-error.ts";
import { ServiceStartError } from "../../services/supervised-thread.ts";
import { toFailed } from "../../services/thread-messages.ts";

/** A command was called with arguments that are not valid. */
export class UsageError extends UserError {
  override readonly name = "UsageError";
}

/** The output of a failed command: the message if the user can fix the failure, else the stack for a bug report. */
export function describeFailure(error: unknown): string {
  const { name, message, stack, fixableByUser } = error instanceof ServiceStartError ? error.original : toFailed(error);
  if (fixableByUser) return message;
  return stack || `${name}: ${message}`;
}

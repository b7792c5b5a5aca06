import { ServiceStartError } from "../services/supervised-thread.ts";
import type { FailedError } from "../services/thread-messages.ts";
import { toFailed } from "../services/thread-messages.ts";

/** Failures that a person can mend: their message says all there is to say. */
const EXPECTED = new Set([
  "BadFileError",
  "BadSettingsError",
  "DataDirInUseError",
  "NatsServerMissingError",
  "NatsServerStartError",
  "NotifierSecretsError",
  "PartitionsChangedError",
  "PortInUseError",
  "RecordingError",
  "StoreFileError",
  "UsersFileError",
  "UsageError",
]);

/** A command that was called in a way that makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What to tell the user of a failure: the message, and where it was unexpected, its origin. */
export function describeFailure(error: unknown): string {
  const failed: FailedError = error instanceof ServiceStartError ? error.original : toFailed(error);
  if (EXPECTED.has(failed.name)) return failed.message;
  return failed.stack || `${failed.name}: ${failed.message}`;
}

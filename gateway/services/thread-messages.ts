import type { Addresses } from "./run-service.ts";

/** From the thread of a service to the gateway. */
export type FromThread =
  | { readonly kind: "ready"; readonly addresses: Addresses }
  | { readonly kind: "failed"; readonly error: FailedError }
  | { readonly kind: "stopped" };

/** An error's own properties do not survive the way between threads. */
export interface FailedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

export function toFailed(error: unknown): FailedError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), stack: "" };
  return { name: error.name, message: error.message, stack: error.stack ?? "" };
}

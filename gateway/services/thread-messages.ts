import { UserError } from "../../domain/user-error.ts";
import type { Plan } from "../settings/plan.ts";
import type { Addresses } from "./started.ts";

/** From the gateway to the thread of a service. */
export type ToThread = { readonly kind: "start"; readonly plan: Plan } | { readonly kind: "stop" };

/** From the thread of a service to the gateway. */
export type FromThread =
  | { readonly kind: "ready"; readonly addresses: Addresses }
  | { readonly kind: "failed"; readonly error: FailedError }
  | { readonly kind: "stopped" };

/** An error that has crossed threads, where it loses its class. */
export interface FailedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** A `UserError`: the message is enough, a stack would only confuse. */
  readonly fixableByUser: boolean;
}

export function toFailed(error: unknown): FailedError {
  if (!(error instanceof Error)) {
    return { name: "Error", message: String(error), stack: "", fixableByUser: false };
  }
  const { name, message, stack = "" } = error;
  return { name, message, stack, fixableByUser: error instanceof UserError };
}

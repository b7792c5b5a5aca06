import type { LoggedChange } from "../common/logged-change.ts";
import type { Notification } from "../common/notification.ts";

/** The outcome of an attempt. */
export type Outcome =
  /** `note`: a partial failure that a person should know about. */
  | { readonly kind: "delivered"; readonly note?: string }
  /**
   * Retrying may help; after `afterMs` if the other side requested a pause, during which nothing else is sent either.
   */
  | { readonly kind: "failed"; readonly error: string; readonly afterMs?: number }
  /** Retrying does not help. */
  | { readonly kind: "refused"; readonly error: string };

export interface Target {
  /** One attempt. Never rejects. `signal` ends it at the timeout, or when the notifier stops. */
  send(notification: Notification, signal: AbortSignal): Promise<Outcome>;
  /** For targets that resolve an alert unless it is resent: called regularly with the firing alerts. */
  readonly keepAlive?: {
    readonly everyMs: number;
    send(firing: readonly LoggedChange[], signal: AbortSignal): Promise<Outcome>;
  };
  close(): Promise<void>;
}

/**
 * Resolves to the outcome of an attempt, or to `timedOut` if the signal aborts first. For clients that accept no
 * signal.
 */
export async function untilAborted(
  sending: Promise<Outcome>,
  signal: AbortSignal,
  timedOut: Outcome,
): Promise<Outcome> {
  let abort = (): void => {};
  const aborted = new Promise<Outcome>((resolve) => {
    abort = () => resolve(timedOut);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
  const outcome = await Promise.race([sending, aborted]);
  signal.removeEventListener("abort", abort);
  return outcome;
}

import type { AlertChange } from "../../domain/alert.ts";
import type { Tags } from "../../domain/reading.ts";
import type { ChangeEntry } from "../common/change-entry.ts";

/** What a target is to deliver. */
export interface Message {
  /** The same over tries and restarts: receivers recognise a message by it. */
  readonly id: string;
  /** `ops.webhook` */
  readonly receiver: string;
  /** Told again, so often, because it still fires; 0 the first time. */
  readonly repeat: number;
  /** Whether the alerts come together because of these labels. */
  readonly grouped: boolean;
  readonly labels: Tags;
  readonly entries: readonly ChangeEntry[];
}

/** What came of a try. */
export type Outcome =
  /** `note`: what a person should know of it all the same. */
  | { readonly kind: "delivered"; readonly note?: string }
  /** It may help to try again, after `afterMs` if the other side said so; then nothing else is sent to it before. */
  | { readonly kind: "failed"; readonly error: string; readonly afterMs?: number }
  /** Trying again does not help. */
  | { readonly kind: "refused"; readonly error: string };

export interface Target {
  /** One try. Never rejects. `signal` ends it when it takes too long or the notifier stops. */
  send(message: Message, signal: AbortSignal): Promise<Outcome>;
  /** For targets that forget: tells what fires once more. Regularly called. */
  readonly keepAlive?: {
    readonly everyMs: number;
    send(entries: readonly ChangeEntry[], signal: AbortSignal): Promise<Outcome>;
  };
  close(): Promise<void>;
}

/** The name that people know the alert's group by: `north cold-1`. */
export function keyText(change: AlertChange): string {
  return Object.values(change.key).join(" ");
}

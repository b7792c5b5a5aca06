import type { IncomingIds } from "../store/port.ts";
import type { PendingPublish } from "./pending-publish.ts";

/** The QoS 2 messages that one connection publishes. */
export class IncomingQos2 {
  /** Of the session. */
  readonly ids: IncomingIds;
  /** Without their PUBREC, by packet id. */
  readonly pending = new Map<number, PendingPublish>();
  /** Published in this connection, and not answered by a PUBCOMP or an error. */
  readonly open = new Set<number>();
  /** Whose PUBREL came and is being saved. */
  readonly releasing = new Map<number, Promise<void>>();

  constructor(ids: IncomingIds) {
    this.ids = ids;
  }
}

/**
 * The QoS 2 messages of all clients at the gate. When a publisher comes back before its message is finished, the
 * repeat waits for the first, instead of being stored a second time.
 */
export class UnfinishedQos2 {
  readonly #byKey = new Map<string, PendingPublish>();

  /** The earlier one that the message repeats. */
  firstOf({ clientId, messageId }: PendingPublish): PendingPublish | undefined {
    return this.#byKey.get(`${messageId} ${clientId}`);
  }

  add(pending: PendingPublish): void {
    this.#byKey.set(`${pending.messageId} ${pending.clientId}`, pending);
  }

  delete(pending: PendingPublish): void {
    if (this.firstOf(pending) === pending) this.#byKey.delete(`${pending.messageId} ${pending.clientId}`);
  }
}

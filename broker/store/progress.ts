import { type Incoming, ORIGINS_MAX } from "./port.ts";

/**
 * How far a session is: which deliveries are finished or received, and which incoming QoS 2 messages are not released.
 * Everything below `cursor` is finished.
 */
export class Progress {
  cursor = 0;
  /** Finished ordinals from the cursor on. */
  readonly finished = new Set<number>();
  /** Received and unfinished ordinals (QoS 2), in the order of their PUBRECs. */
  readonly received = new Set<number>();
  /** Origins of messages that left the queue, oldest first. */
  readonly origins = new Set<string>();
  /** Client ids that unfinished messages were assigned to, by ordinal. */
  readonly takers = new Map<number, string>();
  readonly incoming = new Map<number, { readonly receivedAtUs: number; stored: boolean }>();

  /** False when it was finished before. */
  finish(ordinal: number): boolean {
    if (this.isFinished(ordinal)) return false;
    this.received.delete(ordinal);
    this.takers.delete(ordinal);
    this.finished.add(ordinal);
    while (this.finished.delete(this.cursor)) this.cursor++;
    return true;
  }

  assign(takers: ReadonlyMap<number, string>): void {
    for (const [ordinal, clientId] of takers) if (!this.isFinished(ordinal)) this.takers.set(ordinal, clientId);
  }

  isFinished(ordinal: number): boolean {
    return ordinal < this.cursor || this.finished.has(ordinal);
  }

  remember(origin: string): void {
    this.origins.add(origin);
    if (this.origins.size <= ORIGINS_MAX) return;
    for (const oldest of this.origins) {
      this.origins.delete(oldest);
      return;
    }
  }

  begin(packetId: number, receivedAtUs: number): Incoming {
    const before = this.incoming.get(packetId);
    if (before !== undefined) return { ...before, repeat: true };
    this.incoming.set(packetId, { receivedAtUs, stored: false });
    return { receivedAtUs, repeat: false, stored: false };
  }

  stored(packetId: number): boolean {
    const entry = this.incoming.get(packetId);
    if (entry === undefined || entry.stored) return false;
    entry.stored = true;
    return true;
  }
}

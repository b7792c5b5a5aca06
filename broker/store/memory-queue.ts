import { type Copy, type Message, type QueuedMessage, type SessionQueue, TakenOverError } from "./port.ts";
import { Progress } from "./progress.ts";
import { propertiesBytes } from "./retained-tree.ts";

/** Messages of one `read` beyond the first have at most this many bytes together. */
export const READ_BYTES_MAX = 1_048_576;
/** Estimated overhead of a copy in memory and on disk. */
const COPY_BYTES = 200;

export function queuedBytes({ topic, payload, properties, publisher }: Message): number {
  return COPY_BYTES + topic.length + publisher.length + payload.length + propertiesBytes(properties);
}

interface Entry extends QueuedMessage {
  readonly bytes: number;
}

/** The unfinished messages of a session, in memory. One `QueueView` at a time reads them. */
export class MemoryQueue {
  readonly progress = new Progress();
  /** By ordinal, oldest first. A received one only has its ordinal left. */
  readonly #entries = new Map<number, Entry>();
  readonly #origins = new Set<string>();
  #next = 0;
  #bytes = 0;
  /** The highest ordinal that any view has read. */
  sentUpTo = -1;
  view: QueueView | undefined;

  get length(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get nextOrdinal(): number {
    return this.#next;
  }

  push(message: Message, { qos, retain, identifiers }: Omit<Copy, "clientId">): void {
    const { origin } = message;
    if (origin !== undefined && (this.#origins.has(origin) || this.progress.origins.has(origin))) return;
    if (origin !== undefined) this.#origins.add(origin);
    const ordinal = this.#next++;
    const bytes = queuedBytes(message);
    this.#entries.set(ordinal, { ordinal, message, qos, retain, identifiers, bytes });
    this.#bytes += bytes;
    this.view?.pushed();
  }

  /** Drops the oldest message that no view holds. False if there is none. */
  dropOldest(): boolean {
    for (const { ordinal } of this.#entries.values()) {
      if (this.view?.holds(ordinal) === true || this.progress.received.has(ordinal)) continue;
      this.finish(ordinal);
      return true;
    }
    return false;
  }

  finish(ordinal: number): void {
    if (!this.progress.finish(ordinal)) return;
    const entry = this.#entries.get(ordinal);
    if (entry === undefined) return;
    this.#entries.delete(ordinal);
    this.#bytes -= entry.bytes;
    const { origin } = entry.message;
    if (origin === undefined) return;
    this.#origins.delete(origin);
    this.progress.remember(origin);
  }

  received(ordinal: number): void {
    if (this.#entries.has(ordinal)) this.progress.received.add(ordinal);
  }

  /** From an ordinal on, without those received, and the ordinal to go on from. */
  slice(from: number, max: number): { readonly messages: readonly QueuedMessage[]; readonly next: number } {
    const messages: QueuedMessage[] = [];
    let bytes = 0;
    let next = Math.max(from, this.progress.cursor);
    for (; next < this.#next && messages.length < max; next++) {
      const entry = this.#entries.get(next);
      if (entry === undefined || this.progress.received.has(next)) continue;
      bytes += entry.bytes;
      if (messages.length > 0 && bytes > READ_BYTES_MAX) break;
      messages.push(entry);
    }
    return { messages, next };
  }
}

/** What one connection sees of a `MemoryQueue`. */
export class QueueView implements SessionQueue {
  readonly #queue: MemoryQueue;
  readonly #clientId: string;
  readonly unreleased: readonly number[];
  readonly sentUpTo: number;
  #from = 0;
  #isHungry = false;
  #act: () => void = () => {};
  #isOpen = true;

  constructor(clientId: string, queue: MemoryQueue) {
    this.#clientId = clientId;
    this.#queue = queue;
    this.unreleased = [...queue.progress.received];
    this.sentUpTo = queue.sentUpTo;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get length(): number {
    return this.#queue.length;
  }

  async read(max: number): Promise<readonly QueuedMessage[]> {
    if (!this.#isOpen) return [];
    const { messages, next } = this.#queue.slice(this.#from, max);
    this.#from = next;
    this.#queue.sentUpTo = Math.max(this.#queue.sentUpTo, messages.at(-1)?.ordinal ?? -1);
    this.#isHungry = messages.length === 0;
    return messages;
  }

  onMore(act: () => void): void {
    this.#act = act;
  }

  finish(ordinal: number): void {
    if (this.#isOpen) this.#queue.finish(ordinal);
  }

  async received(ordinal: number): Promise<void> {
    this.#checkOpen();
    this.#queue.received(ordinal);
  }

  async assign(takers: ReadonlyMap<number, string>): Promise<void> {
    this.#checkOpen();
    this.#queue.progress.assign(takers);
  }

  takerOf(ordinal: number): string | undefined {
    return this.#queue.progress.takers.get(ordinal);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    if (this.#queue.view === this) this.#queue.view = undefined;
  }

  /** Whether the connection may have sent it. */
  holds(ordinal: number): boolean {
    return ordinal < this.#from;
  }

  pushed(): void {
    if (!this.#isHungry) return;
    this.#isHungry = false;
    this.#act();
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new TakenOverError(`session ${JSON.stringify(this.#clientId)} has another owner`);
  }
}

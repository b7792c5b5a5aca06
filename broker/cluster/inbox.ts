import { type Message, NEVER_EXPIRES, OWN_PREFIX, type SessionQueue, type SessionStore } from "../store/port.ts";
import { removeIfThere } from "./remove.ts";

const INBOX = `${OWN_PREFIX}inbox/`;
const READ_MAX = 256;

export interface InboxOptions {
  readonly store: SessionStore;
  readonly edge: string;
  readonly onMessage: (message: Message) => Promise<void> | void;
  readonly onFailed: (what: string, error: unknown) => void;
}

/** The client id of an edge's inbox. */
export function inboxOf(edge: string): string {
  return INBOX + edge;
}

/** The edge of an inbox; undefined for other client ids. */
export function edgeOfInbox(clientId: string): string | undefined {
  return clientId.startsWith(INBOX) ? clientId.slice(INBOX.length) : undefined;
}

/** Messages with QoS 1 and 2 from other edges: a session of this edge in the store. Reads it, in its order. */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #clientId: string;
  #queue: SessionQueue | undefined;
  #isStopped = false;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#clientId = inboxOf(options.edge);
  }

  async start(): Promise<void> {
    await this.#open({ cleanStart: true });
  }

  async stop(): Promise<void> {
    const { store, edge } = this.#options;
    this.#isStopped = true;
    const record = store.session(this.#clientId);
    await this.#queue?.close();
    if (record?.edge === edge) await removeIfThere(store, record);
  }

  /** Other edges took this one for dead: they removed it, or have dropped some of it because too much waited. */
  lost(kind: "removed" | "taken"): void {
    if (this.#queue === undefined || this.#isStopped) return;
    this.#queue = undefined;
    this.#open({ cleanStart: kind === "removed" }).catch((error: unknown) => {
      this.#options.onFailed("opening the inbox of this edge", error);
    });
  }

  /** What is in it from an earlier run is for connections that are gone. */
  async #open({ cleanStart }: { readonly cleanStart: boolean }): Promise<void> {
    const wish = { user: "", cleanStart, expirySeconds: NEVER_EXPIRES };
    const { queue } = await this.#options.store.claim(this.#clientId, wish);
    this.#queue = queue;
    let isReading = false;
    let hasMore = false;
    const read = async () => {
      hasMore = true;
      if (isReading) return;
      isReading = true;
      try {
        while (hasMore) {
          hasMore = false;
          await this.#readAll(queue);
        }
      } catch (error) {
        this.#options.onFailed("reading the inbox of this edge", error);
      } finally {
        isReading = false;
      }
    };
    queue.onMore(() => void read());
    void read();
  }

  async #readAll(queue: SessionQueue): Promise<void> {
    for (;;) {
      const messages = await queue.read(READ_MAX);
      if (messages.length === 0) return;
      for (const { ordinal, message } of messages) {
        if (!this.#isStopped) await this.#options.onMessage(message);
        queue.finish(ordinal);
      }
    }
  }
}

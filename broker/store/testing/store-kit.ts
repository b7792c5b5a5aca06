import type {
  Copy,
  Message,
  QueuedMessage,
  SessionQueue,
  SessionRecord,
  SessionStore,
  SessionWish,
  StoreEvents,
  StoreLimits,
  Subscription,
} from "../port.ts";

export const LIMITS: StoreLimits = {
  sessionsMax: 1_000,
  queuedPerSessionMax: 1_000,
  queuedBytesMax: 64 * 1_048_576,
  retainedMax: 10_000,
  retainedBytesMax: 64 * 1_048_576,
};

export const WISH: SessionWish = { user: "ada", cleanStart: false, expirySeconds: 3_600 };

/** Of what another edge or the log must do first. */
export const POLL = { timeout: 20_000, interval: 5 };

/** With every field. */
export const RICH: Message = {
  topic: "plant/Größe/😀",
  payload: new Uint8Array([0, 255, 1]),
  qos: 2,
  retain: true,
  properties: {
    payloadFormatIndicator: true,
    contentType: "application/json",
    responseTopic: "answers/1",
    correlationData: new Uint8Array([9, 0]),
    userProperties: [
      ["b", "2"],
      ["a", ""],
      ["b", "1"],
    ],
  },
  publisher: "p",
  receivedAtUs: 1_700_000_000_000_001,
  expiresAtUs: 1_700_000_001_000_001,
  origin: "p 7 1700000000000001",
};

export const SUBSCRIPTION: Subscription = {
  filter: "$share/g/a/+/#",
  qos: 2,
  noLocal: true,
  retainAsPublished: true,
  retainHandling: 2,
  identifier: 268_435_455,
};

/** The clock of all stores. */
export const NOW_US = 1_700_000_000_000_000;

export interface OpenStore {
  readonly store: SessionStore;
  readonly events: RecordedEvents;
}

export interface OpenOptions {
  readonly edge?: string;
  readonly limits?: Partial<StoreLimits>;
  /** Called as well as recorded. */
  readonly onSession?: StoreEvents["onSession"];
}

/** Stores over one disk or server. */
export interface StoreHarness {
  /** A started store; several at a time are several edges. */
  open(options?: OpenOptions): Promise<OpenStore>;
  /** Ends a store as a crash would: it saves nothing any more. */
  crash(store: SessionStore): Promise<void>;
  close(): Promise<void>;
}

export class RecordedEvents implements StoreEvents {
  readonly #onSession: StoreEvents["onSession"] | undefined;
  readonly taken: string[] = [];
  /** The newest record of each client; undefined once it is gone. */
  readonly sessions = new Map<string, SessionRecord | undefined>();
  readonly queuedDropped = new Map<string, number>();
  readonly retainedDropped: string[] = [];
  readonly sessionsDropped: string[] = [];

  constructor(onSession?: StoreEvents["onSession"]) {
    this.#onSession = onSession;
  }

  onTaken(clientId: string, epoch: number): void {
    this.taken.push(`${clientId} ${epoch}`);
  }

  onSession(clientId: string, record: SessionRecord | undefined): void {
    this.sessions.set(clientId, record);
    this.#onSession?.(clientId, record);
  }

  onQueuedDropped(clientId: string, count: number): void {
    this.queuedDropped.set(clientId, (this.queuedDropped.get(clientId) ?? 0) + count);
  }

  onRetainedDropped(topic: string): void {
    this.retainedDropped.push(topic);
  }

  onSessionDropped({ clientId }: SessionRecord, reason: string): void {
    this.sessionsDropped.push(`${clientId} ${reason}`);
  }
}

export function message(text: string, more: Partial<Message> = {}): Message {
  return {
    topic: "plant/line-1",
    payload: new TextEncoder().encode(text),
    qos: 1,
    retain: false,
    publisher: "sensor",
    receivedAtUs: 1_700_000_000_000_000,
    ...more,
  };
}

export function copyFor(clientId: string, more: Partial<Copy> = {}): Copy {
  return { clientId, qos: 1, retain: false, identifiers: [], ...more };
}

export function textOf({ payload }: Message): string {
  return new TextDecoder().decode(payload);
}

/** Everything that a queue gives now, `max` at a time. */
export async function readAll(queue: SessionQueue, max = 100): Promise<QueuedMessage[]> {
  const all: QueuedMessage[] = [];
  for (;;) {
    const some = await queue.read(max);
    if (some.length === 0) return all;
    all.push(...some);
  }
}

/** Ordinals and texts, as `3 text`. */
export function listed(messages: readonly QueuedMessage[]): string[] {
  return messages.map((each) => `${each.ordinal} ${textOf(each.message)}`);
}

/** Ends a store, by `stop` or a crash, and opens another. */
export async function again(harness: StoreHarness, store: SessionStore, how: "stop" | "crash"): Promise<OpenStore> {
  await (how === "stop" ? store.stop() : harness.crash(store));
  return await harness.open();
}

import fc from "fast-check";
import { expect } from "vitest";
import type { ClaimedSession, QueuedMessage } from "../port.ts";
import { copyFor, message, type OpenStore, type StoreHarness, textOf, WISH } from "./store-kit.ts";

const EDGES = 2;
const CLIENTS = 3;
const KINDS = [
  ...(["enqueue", "enqueue", "enqueue", "repeat", "repeat", "claim", "read", "finish", "finish", "finish"] as const),
  ...(["receive", "begin", "stored", "release", "close", "crash", "crash-in-flight", "restart"] as const),
];

/** One step; `n` chooses among what there is. */
export interface Step {
  readonly kind: (typeof KINDS)[number];
  readonly edge: number;
  readonly client: number;
  readonly n: number;
}

export const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...KINDS),
    edge: fc.nat(EDGES - 1),
    client: fc.nat(CLIENTS - 1),
    n: fc.nat(1_000),
  }),
  { minLength: 5, maxLength: 60 },
);

/** `yes` is safe, `maybe` was asked for and not confirmed. */
type Known = "no" | "maybe" | "yes";

interface ModelMessage {
  readonly text: string;
  readonly origin: string | undefined;
  stored: Known;
  finished: Known;
  received: Known;
  ordinal: number | undefined;
}

interface ModelId {
  began: Known;
  receivedAtUs: number;
  stored: Known;
  released: Known;
}

interface ModelClient {
  readonly id: string;
  readonly messages: ModelMessage[];
  readonly ids: Map<number, ModelId>;
  connection: Connection | undefined;
  /** The highest ordinal that any connection has read. */
  sent: number;
}

interface Connection {
  readonly edge: number;
  readonly claimed: ClaimedSession;
  readonly read: QueuedMessage[];
}

/**
 * Runs steps on the stores of two edges, with crashes, and compares what each connection gets with a model that only
 * knows what was promised. `prefix` keeps the clients of several runs apart.
 */
export async function runWithCrashes(harness: StoreHarness, prefix: string, all: readonly Step[]): Promise<void> {
  const run = new CrashRun(harness, prefix);
  await run.start();
  for (const step of all) await run.step(step);
  await run.end();
}

class CrashRun {
  readonly #harness: StoreHarness;
  readonly #prefix: string;
  readonly #edges: OpenStore[] = [];
  readonly #clients: ModelClient[];
  #count = 0;

  constructor(harness: StoreHarness, prefix: string) {
    this.#harness = harness;
    this.#prefix = prefix;
    this.#clients = Array.from({ length: CLIENTS }, (_, i) => {
      return { id: `${prefix} ${i}`, messages: [], ids: new Map(), connection: undefined, sent: -1 };
    });
  }

  async start(): Promise<void> {
    for (let edge = 0; edge < EDGES; edge++) await this.#open(edge);
    for (const client of this.#clients) await this.#claim(client, 0);
  }

  async end(): Promise<void> {
    for (const client of this.#clients) await this.#claim(client, 1);
    for (const { store } of this.#edges) await store.stop();
  }

  // Long: a case for each kind of step.
  async step({ kind, edge, client: index, n }: Step): Promise<void> {
    const client = this.#clients[index] ?? this.#clients[0];
    if (client === undefined) return;
    const { connection } = client;
    switch (kind) {
      case "enqueue":
        await this.#enqueue(edge, n);
        break;
      case "repeat":
        await this.#repeat(edge, client, n);
        break;
      case "claim":
        await this.#claim(client, edge);
        break;
      case "read":
        if (connection !== undefined) this.#got(client, connection, await connection.claimed.queue.read((n % 4) + 1));
        break;
      case "finish": {
        const chosen = chooseFrom(connection?.read, n);
        if (chosen === undefined) break;
        connection?.claimed.queue.finish(chosen.ordinal);
        knownAs(client, chosen).finished = "maybe";
        break;
      }
      case "receive": {
        const chosen = chooseFrom(connection?.read, n);
        if (chosen === undefined) break;
        await connection?.claimed.queue.received(chosen.ordinal);
        knownAs(client, chosen).received = "yes";
        break;
      }
      case "close":
        await this.#close(client);
        break;
      case "begin":
        await this.#begin(client, (n % 3) + 1);
        break;
      case "stored": {
        const [packetId, id] = [...client.ids][n % Math.max(1, client.ids.size)] ?? [];
        if (packetId === undefined || id === undefined || connection === undefined) break;
        connection.claimed.incoming.stored(packetId);
        if (id.stored === "no") id.stored = "maybe";
        break;
      }
      case "release": {
        const [packetId] = [...client.ids][n % Math.max(1, client.ids.size)] ?? [];
        if (packetId === undefined || connection === undefined) break;
        await connection.claimed.incoming.release(packetId);
        client.ids.delete(packetId);
        break;
      }
      case "crash":
        await this.#crash(edge);
        break;
      case "crash-in-flight":
        this.#startInFlight(edge, client, n);
        await this.#crash(edge);
        break;
      case "restart":
        await this.#restart(edge);
        break;
    }
  }

  async #open(edge: number): Promise<void> {
    this.#edges[edge] = await this.#harness.open({ edge: `${this.#prefix} edge ${edge}` });
  }

  #store(edge: number) {
    const open = this.#edges[edge];
    if (open === undefined) throw new Error(`edge ${edge} is not open`);
    return open.store;
  }

  #newMessages(n: number, origin: string | undefined): [ModelClient, ModelMessage][] {
    const text = `m${this.#count++}`;
    const copied = this.#clients.filter((_, i) => ((n % 7) + 1) & (1 << i));
    return copied.map((client) => {
      const added: ModelMessage = { text, origin, stored: "maybe", finished: "no", received: "no", ordinal: undefined };
      client.messages.push(added);
      return [client, added];
    });
  }

  async #enqueue(edge: number, n: number): Promise<void> {
    const origin = n % 2 === 0 ? `${this.#prefix} o${this.#count}` : undefined;
    const added = this.#newMessages(n, origin);
    await this.#put(edge, added);
    for (const [, each] of added) each.stored = "yes";
  }

  #put(edge: number, added: readonly [ModelClient, ModelMessage][]): Promise<void> {
    const [first] = added;
    if (first === undefined) return Promise.resolve();
    const { text, origin } = first[1];
    const copies = added.map(([{ id }]) => copyFor(id, { qos: 2 }));
    return this.#store(edge).enqueue(message(text, { qos: 2, ...(origin === undefined ? {} : { origin }) }), copies);
  }

  /** Its publisher repeats a message: all its copies again. */
  async #repeat(edge: number, { messages }: ModelClient, n: number): Promise<void> {
    const chosen = chooseFrom(
      messages.filter(({ origin }) => origin !== undefined),
      n,
    );
    if (chosen === undefined) return;
    const added = this.#clients.flatMap((client) =>
      client.messages
        .filter(({ text }) => text === chosen.text)
        .map((each): [ModelClient, ModelMessage] => [client, each]),
    );
    // Where the first copy is lost, the repeat comes after the messages since: a new place in the order.
    for (const [client, each] of added) {
      if (each.stored === "yes") continue;
      client.messages.splice(client.messages.indexOf(each), 1);
      client.messages.push(each);
    }
    await this.#put(edge, added);
    for (const [, each] of added) each.stored = "yes";
  }

  #startInFlight(edge: number, client: ModelClient, n: number): void {
    const { connection } = client;
    this.#put(edge, this.#newMessages(n, undefined)).catch(() => {});
    if (connection?.edge !== edge) return;
    const chosen = chooseFrom(connection.read, n);
    if (chosen !== undefined) {
      connection.claimed.queue.received(chosen.ordinal).catch(() => {});
      const known = knownAs(client, chosen);
      if (known.received === "no") known.received = "maybe";
    }
    const packetId = (n % 3) + 1;
    if (client.ids.has(packetId)) {
      connection.claimed.incoming.release(packetId).catch(() => {});
      (client.ids.get(packetId) as ModelId).released = "maybe";
    } else {
      connection.claimed.incoming.begin(packetId, this.#count).catch(() => {});
      client.ids.set(packetId, { began: "maybe", receivedAtUs: this.#count, stored: "no", released: "no" });
    }
  }

  async #begin(client: ModelClient, packetId: number): Promise<void> {
    if (client.connection === undefined) return;
    const receivedAtUs = this.#count++;
    const before = client.ids.get(packetId);
    const got = await client.connection.claimed.incoming.begin(packetId, receivedAtUs);
    if (before === undefined) {
      expect(got).toEqual({ receivedAtUs, repeat: false, stored: false });
      client.ids.set(packetId, { began: "yes", receivedAtUs, stored: "no", released: "no" });
      return;
    }
    expect(got).toMatchObject({ receivedAtUs: before.receivedAtUs, repeat: true });
    if (before.stored === "no") expect(got.stored).toBe(false);
    before.began = "yes";
  }

  async #close(client: ModelClient): Promise<void> {
    const { connection } = client;
    if (connection === undefined) return;
    await connection.claimed.queue.close();
    client.connection = undefined;
    for (const each of client.messages) if (each.finished === "maybe") each.finished = "yes";
    for (const id of client.ids.values()) if (id.stored === "maybe") id.stored = "yes";
  }

  async #crash(edge: number): Promise<void> {
    await this.#harness.crash(this.#store(edge));
    this.#gone(edge);
    await this.#open(edge);
  }

  async #restart(edge: number): Promise<void> {
    for (const client of this.#clients) if (client.connection?.edge === edge) await this.#close(client);
    await this.#store(edge).stop();
    await this.#open(edge);
  }

  #gone(edge: number): void {
    for (const client of this.#clients) if (client.connection?.edge === edge) client.connection = undefined;
  }

  /** A new connection, which gets everything that waits. */
  async #claim(client: ModelClient, edge: number): Promise<void> {
    const wasClosed = client.connection === undefined;
    const claimed = await this.#store(edge).claim(client.id, WISH);
    const connection = { edge, claimed, read: [] };
    client.connection = connection;
    const { queue, incoming } = claimed;
    const delivered: QueuedMessage[] = [];
    const owed = new Set(client.messages.filter(isOwed).map(({ text }) => text));
    // What another edge has just stored may still be on its way.
    await expect
      .poll(
        async () => {
          delivered.push(...(await queue.read(5)));
          const missing = new Set(owed);
          for (const each of delivered) missing.delete(textOf(each.message));
          return [...missing];
        },
        { timeout: 3_000, interval: 1 },
      )
      .toEqual([]);
    expect(queue.sentUpTo, "what was sent before has DUP").toBeGreaterThanOrEqual(highestSent(client));
    const unreleased = new Set(queue.unreleased);
    this.#got(client, connection, delivered);
    const given = new Set(delivered.map((each) => textOf(each.message)));
    for (const each of client.messages) {
      const { text, ordinal, received, finished } = each;
      if (received === "yes") expect(given, "a received message is not sent again").not.toContain(text);
      if (received === "yes" && finished === "no") expect(unreleased, `PUBREL of ${text}`).toContain(ordinal);
      if (finished === "yes") expect(given, "a saved finish").not.toContain(text);
      if (ordinal !== undefined && unreleased.has(ordinal)) {
        expect(received, `${text} is unreleased`).not.toBe("no");
        each.received = "yes";
      } else if (received === "maybe") each.received = finished === "no" ? "no" : "maybe";
    }
    this.#checkIds(client, incoming, wasClosed);
  }

  #got(client: ModelClient, connection: Connection, messages: readonly QueuedMessage[]): void {
    for (const each of messages) {
      const known = knownAs(client, each);
      known.stored = "yes";
      if (known.ordinal !== undefined) expect(each.ordinal, `the ordinal of ${known.text}`).toBe(known.ordinal);
      known.ordinal = each.ordinal;
      client.sent = Math.max(client.sent, each.ordinal);
      connection.read.push(each);
    }
    const ordinals = connection.read.map(({ ordinal }) => ordinal);
    expect(ordinals, "rising").toEqual([...new Set(ordinals)].sort((a, b) => a - b));
    const inOrder = client.messages.flatMap(({ ordinal }) => (ordinal === undefined ? [] : [ordinal]));
    expect(inOrder, "the order of the publishers").toEqual([...new Set(inOrder)].sort((a, b) => a - b));
  }

  #checkIds({ ids }: ModelClient, incoming: ClaimedSession["incoming"], _wasClosed: boolean): void {
    for (const [packetId, id] of [...ids]) {
      const has = incoming.has(packetId);
      if (id.began === "yes" && id.released === "no") expect(has, `packet id ${packetId} is not forgotten`).toBe(true);
      if (!has) ids.delete(packetId);
      else Object.assign(id, { began: "yes", released: "no" });
    }
    expect(incoming.size, "released ids do not come back").toBe(ids.size);
  }
}

/** Safe, and neither finished nor received. */
function isOwed({ stored, finished, received }: ModelMessage): boolean {
  return stored === "yes" && finished === "no" && received === "no";
}

function highestSent({ messages, sent }: ModelClient): number {
  const unfinished = messages.filter(({ ordinal, finished }) => ordinal !== undefined && finished === "no");
  return Math.min(sent, Math.max(-1, ...unfinished.map(({ ordinal = -1 }) => ordinal)));
}

function knownAs({ messages }: ModelClient, { message: given }: QueuedMessage): ModelMessage {
  const known = messages.find(({ text }) => text === textOf(given));
  if (known === undefined) throw new Error(`${textOf(given)} was never published to this client`);
  return known;
}

function chooseFrom<T>(items: readonly T[] | undefined, n: number): T | undefined {
  return items === undefined || items.length === 0 ? undefined : items[n % items.length];
}

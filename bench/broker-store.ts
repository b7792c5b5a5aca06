import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pino from "pino";
import { JetStreamStore } from "../broker/store/jetstream/jetstream-store.ts";
import type { Message, SessionStore, StoreEvents } from "../broker/store/port.ts";
import { connectJetStreamLog } from "../platform/log/jetstream.ts";
import type { Log } from "../platform/log/port.ts";
import { launchNatsServer } from "../platform/nats-server/launch.ts";
import { median } from "./figures.ts";
import { benchOfflineSubscriber } from "./offline-subscriber.ts";
import { residentMib } from "./peers/process-cpu.ts";

const SESSIONS = 10_000;
const QUEUED = 100;
const RETAINED = 100_000;
/** Each reads its subject out of a stream of a million frames. */
const BACK = 40;
const AT_ONCE = 256;
const GIB = 1_024 ** 3;
const ROOM = { maxAgeMs: 86_400_000, maxBytes: GIB };
const LIMITS = {
  sessionsMax: 2 * SESSIONS,
  queuedPerSessionMax: 100_000,
  queuedBytesMax: 4 * GIB,
  retainedMax: 2 * RETAINED,
  retainedBytesMax: GIB,
};
const QUIET: StoreEvents = {
  onTaken: () => {},
  onSession: () => {},
  onQueuedDropped: () => {},
  onRetainedDropped: () => {},
  onSessionDropped: () => {},
};

interface Place {
  readonly url: string;
  readonly token: string;
}

type Figure = readonly [name: string, figure: string | number];

/** What a child process reports of its start. */
interface Started {
  readonly ms: number;
  readonly rssMib: number;
  readonly sessions: number;
  readonly retained: number;
  /** When all queued messages were found in the stream, from the start. */
  readonly indexedMs: number;
  readonly back: { readonly firstMs: number; readonly alone: number; readonly rate: number; readonly rssMib: number };
}

/** The store of sessions on a real NATS server that syncs every message: rates, and how a full one starts. */
export async function benchBrokerStore(): Promise<boolean> {
  const isFastEnough = await benchOfflineSubscriber();
  const dataDir = await mkdtemp(join(tmpdir(), "weir-store-"));
  const server = await launchNatsServer({ dataDir, logger: pino({ level: "error" }) });
  process.stdout.write(`\nStore of sessions: NATS ${server.version}, ${server.durability}\n`);
  try {
    const { log, store } = await open(server);
    print("enqueue to one absent session, messages/s", await oneSession(store));
    print("enqueue one at a time, ms (median)", await latency(store));
    print("enqueue to 1,000 absent sessions, copies/s", await fanOut(store));
    for (const [name, figure] of await fill(store)) print(name, figure);
    print("NATS memory, MiB", Math.round(await residentMib(server.pid)));
    await store.stop();
    await log.close();
    const { ms, rssMib, sessions, retained, indexedMs, back } = await startInChild(server);
    print(`start with ${sessions} sessions and ${retained} retained, ms`, Math.round(ms));
    print("memory after it, MiB", Math.round(rssMib));
    print(`claim and read ${QUEUED} messages right after it, ms (median)`, back.firstMs.toFixed(1));
    print("all queued messages found after, ms", Math.round(indexedMs));
    print("memory then, MiB", Math.round(back.rssMib));
    print(`claim and read ${QUEUED} messages then, ms (median)`, back.alone.toFixed(1));
    print(`claim and read ${QUEUED} messages, 100 at a time, sessions/s`, back.rate);
    print("NATS memory, MiB", Math.round(await residentMib(server.pid)));
    return isFastEnough && sessions >= SESSIONS && retained >= RETAINED;
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function print(name: string, figure: string | number): void {
  process.stdout.write(`  ${name.padEnd(64)} ${String(figure).padStart(10)}\n`);
}

async function open({ url, token }: Place): Promise<{ readonly log: Log; readonly store: JetStreamStore }> {
  const retention = {
    ...{ readings: ROOM, windows: ROOM, alerts: ROOM, deadLetters: ROOM },
    mqtt: { queuedBytes: 4 * GIB, retainedBytes: GIB },
  };
  const logger = pino({ level: "error" });
  const log = await connectJetStreamLog({ servers: url, token, name: "store", partitions: 1, retention, logger });
  const store = new JetStreamStore({
    ...{ log, limits: LIMITS, edge: "bench", nowUs: () => Date.now() * 1_000 },
    onFailed: (what, error) => process.stderr.write(`${what}: ${error}\n`),
  });
  await store.start(QUIET);
  return { log, store };
}

function message(i: number, topic = "plant/line-1/sensor"): Message {
  const payload = Buffer.from(
    JSON.stringify({ ts: 1_700_000_000_000 + i, temperature: 20 + (i % 100) / 10, text: "a".repeat(60) }),
  );
  return { topic, payload, qos: 1, retain: false, publisher: "bench", receivedAtUs: 1_700_000_000_000_000 + i };
}

const copyFor = (clientId: string) => ({ clientId, qos: 1, retain: false, identifiers: [] }) as const;

/** Runs a number of actions, at most some at a time; resolves to how many there were in a second. */
async function rateOf(count: number, atOnce: number, act: (i: number) => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return Math.round((count / (performance.now() - startedMs)) * 1_000);
}

async function absent(store: SessionStore, clientId: string): Promise<void> {
  const { record, queue } = await store.claim(clientId, { user: "u", cleanStart: false, expirySeconds: 86_400 });
  await queue.close();
  const { edge: _, ...left } = record;
  await store.save({ ...left, awayAtUs: Date.now() * 1_000 });
}

async function oneSession(store: SessionStore): Promise<number> {
  await absent(store, "one");
  return await rateOf(50_000, AT_ONCE, (i) => store.enqueue(message(i), [copyFor("one")]));
}

async function latency(store: SessionStore): Promise<string> {
  return (await medianMs(200, (i) => store.enqueue(message(i), [copyFor("one")]))).toFixed(1);
}

async function fanOut(store: SessionStore): Promise<number> {
  const copies = Array.from({ length: 1_000 }, (_, i) => copyFor(`fan-${i}`));
  await rateOf(copies.length, AT_ONCE, (i) => absent(store, `fan-${i}`));
  return 1_000 * (await rateOf(500, AT_ONCE, (i) => store.enqueue(message(i), copies)));
}

async function fill(store: SessionStore): Promise<readonly Figure[]> {
  const sessions = await rateOf(SESSIONS, AT_ONCE, (i) => absent(store, `session-${i}`));
  const parts = Array.from({ length: SESSIONS / 500 }, (_, part) =>
    Array.from({ length: 500 }, (_copy, i) => copyFor(`session-${part * 500 + i}`)),
  );
  // One by one, as devices publish: a frame for each.
  for (let i = 0; i < QUEUED; i++) await Promise.all(parts.map((copies) => store.enqueue(message(i), copies)));
  const retained = await rateOf(RETAINED, 4 * AT_ONCE, (i) => {
    const topic = `plant/line-${i % 100}/sensor-${i}`;
    return store.retain(topic, { ...message(i, topic), retain: true });
  });
  return [
    ["connect and leave, new sessions/s", sessions],
    ["retain, messages/s", retained],
  ];
}

/** Claims a session and reads its queue to the end, as a client does that comes back. */
async function comeBack(store: SessionStore, i: number): Promise<void> {
  const clientId = `session-${i}`;
  const { queue } = await store.claim(clientId, { user: "u", cleanStart: false, expirySeconds: 86_400 });
  for (let left = QUEUED; left > 0; ) {
    const some = await queue.read(QUEUED);
    if (some.length === 0) throw new Error(`${clientId} lacks ${left} messages`);
    for (const { ordinal } of some) queue.finish(ordinal);
    left -= some.length;
  }
  await queue.close();
}

async function medianMs(count: number, act: (i: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedMs = performance.now();
    await act(i);
    times.push(performance.now() - startedMs);
  }
  return median(times);
}

async function startInChild({ url, token }: Place): Promise<Started> {
  const child = fork(fileURLToPath(import.meta.url), {
    env: { ...process.env, STORE_PLACE: JSON.stringify({ url, token }) },
  });
  const [started] = (await once(child, "message")) as [Started];
  await once(child, "exit");
  return started;
}

const rssMib = () => process.memoryUsage.rss() / 1_048_576;

async function reportStart(place: Place): Promise<void> {
  const startedMs = performance.now();
  const { log, store } = await open(place);
  const ms = performance.now() - startedMs;
  const atStart = { rssMib: rssMib(), sessions: [...store.sessions()].length, retained: store.retained().size };
  const firstMs = await medianMs(5, (i) => comeBack(store, i));
  // Then the store has found all messages in the background.
  const watched = startedMs;
  while (!store.isIndexed) await new Promise((resolve) => setTimeout(resolve, 20));
  const indexedMs = performance.now() - watched;
  const thenMib = rssMib();
  const alone = await medianMs(BACK, (i) => comeBack(store, 100 + i));
  const rate = await rateOf(20 * BACK, 100, (i) => comeBack(store, 1_000 + i));
  const started: Started = { ...atStart, ms, indexedMs, back: { firstMs, alone, rate, rssMib: thenMib } };
  process.send?.(started);
  await store.stop();
  await log.close();
  process.disconnect?.();
}

const place = process.env.STORE_PLACE;
if (place !== undefined && process.send !== undefined) await reportStart(JSON.parse(place) as Place);

import pino from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DEAD_LETTERS_RETRY, type RetryOrder, type RetryReport } from "../../contracts/dead-letters.ts";
import { INGEST_LEDGER } from "../../contracts/device-ledgers.ts";
import { encodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import { letterAt, pageOfLetters, retryOf } from "../../platform/dead-letter-log.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { type Append, ConflictError, type Log, NoAnswerError } from "../../platform/log/port.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { ingestConfigSchema } from "../common/config.ts";
import { type Ingest, startIngest } from "../ingest.ts";
import { TopicRoutes } from "../sources/topic-routes.ts";

const CAME = 1_763_769_600_000_000;
const LATER = CAME + 86_400_000_000;
const FIXED = { sources: [{ topic: "plant/{site}/{device}" }] };

let log: Log;
let nowUs: number;
const running: Ingest[] = [];

async function start(config: Record<string, unknown> = {}, over: Partial<Log> = {}): Promise<Ingest> {
  const ingest = await startIngest(ingestConfigSchema.parse(config), {
    log: { ...log, ...over },
    partitions: 2,
    clock: { nowUs: () => nowUs },
    logger: pino({ level: "silent" }),
    metrics: createMetrics(),
  });
  running.push(ingest);
  return ingest;
}

async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((ingest) => ingest.stop()));
}

beforeEach(() => {
  nowUs = CAME;
  log = createMemoryLog({ nowUs: () => nowUs });
});
afterEach(stopAll);

function publish(ingest: Ingest, topic: string, payload: string): Promise<Error | undefined> {
  const bytes = new TextEncoder().encode(payload);
  return new Promise((resolve) => {
    ingest.accept({ topic, payload: bytes, qos: 1, retain: false, clientId: "c", receivedAtUs: nowUs }, resolve);
  });
}

/** Publishes under a wrong configuration, and starts again a day later with the fixed one. */
async function lettersThenMended(...messages: (readonly [string, string])[]): Promise<Ingest> {
  const wrong = await start();
  for (const [topic, payload] of messages) expect(await publish(wrong, topic, payload)).toBeUndefined();
  await stopAll();
  nowUs = LATER;
  return await start(FIXED);
}

async function retry(order: Partial<RetryOrder>): Promise<RetryReport> {
  return await log.bus.request(DEAD_LETTERS_RETRY, { by: "ann", ...order });
}

const outcomes = ({ results }: RetryReport) => results.map(({ sequence, outcome }) => `${sequence} ${outcome}`);

async function readings(): Promise<{ device: string; metric: string; atUs: number; value: unknown; cameUs: number }[]> {
  const { lastSequence } = await log.bounds("READINGS");
  const reader = new FrameReader(new SeriesTable());
  const all = [];
  if (lastSequence === 0) return [];
  for await (const batch of log.read({ stream: "READINGS", from: { kind: "first" } })) {
    for (const { payload } of batch) {
      const entry = reader.read(payload);
      if (entry.kind !== "readings") continue;
      for (let i = 0; i < entry.count; i++) {
        const { device, metric } = reader.table.series(entry.seriesId[i] as number);
        all.push({ device, metric, atUs: entry.atUs[i] ?? 0, value: entry.values[i], cameUs: entry.receivedAtUs });
      }
    }
    if (batch.at(-1)?.sequence === lastSequence) break;
  }
  return all;
}

test("a letter's readings have their own times, or the time at which the message first arrived", async () => {
  await lettersThenMended(
    ["plant/north/d1", '{"t": 4.5}'],
    ["plant/north/d2", `[{"t": 1, "ts": ${CAME / 1000 - 5000}}]`],
  );
  const report = await retry({ sequences: [2, 1] });
  expect(report.results).toMatchObject([
    {
      sequence: 1,
      outcome: "stored",
      detail: "1 reading went into the log",
      retry: { by: "ann", atUs: LATER, readings: 1 },
    },
    { sequence: 2, outcome: "stored" },
  ]);
  expect((await readings()).sort((a, b) => (a.device < b.device ? -1 : 1))).toEqual([
    { device: "d1", metric: "t", atUs: CAME, value: 4.5, cameUs: CAME },
    { device: "d2", metric: "t", atUs: CAME - 5_000_000, value: 1, cameUs: CAME },
  ]);
  expect(await log.bus.request(INGEST_LEDGER, undefined)).toMatchObject([
    { device: "d1", counts: { messages: 1, stored: 1, deadLettered: 0, dropped: 0 } },
    { device: "d2", counts: { messages: 1, stored: 1 } },
  ]);
});

test("a letter is retried once, even across a restart, and asking again returns the first outcome", async () => {
  await lettersThenMended(["plant/north/d1", '{"t": 4.5}']);
  expect(outcomes(await retry({ sequences: [1] }))).toEqual(["1 stored"]);
  await stopAll();
  await start(FIXED);
  const again = await retry({ sequences: [1] });
  expect(outcomes(again)).toEqual(["1 already-done"]);
  expect(again.results[0]?.detail).toBe(
    "it was already retried at 2025-11-23T00:00:00.000Z by ann: 1 reading went into the log",
  );
  expect(outcomes(await retry({ limit: 10 }))).toEqual([]);
  expect(await readings()).toHaveLength(1);
});

test("a letter that fails again becomes a new letter that names it and can also be retried", async () => {
  const wrong = await start();
  await publish(wrong, "plant/north/d1", "{oops");
  nowUs = LATER;
  expect(outcomes(await retry({ sequences: [1] }))).toEqual(["1 refused"]);
  const second = await letterAt(log, 2);
  expect(second?.letter).toMatchObject({
    reason: "unknown-topic",
    topic: "plant/north/d1",
    retryOf: 1,
    receivedAtUs: CAME,
  });
  expect(await retryOf(log, 1)).toMatchObject({ outcome: "refused", letter: 2, readings: 0 });
  await stopAll();
  await start(FIXED);
  const again = await retry({ sequences: [1] });
  expect(again.results[0]).toMatchObject({ outcome: "already-done", retry: { letter: 2 } });
  expect(again.results[0]?.detail).toContain("retry letter 2 instead");
  expect(outcomes(await retry({ sequences: [2] }))).toEqual(["2 refused"]);
  expect((await letterAt(log, 4))?.letter).toMatchObject({ reason: "bad-payload", retryOf: 2 });
  // Only the newest letter of the chain is open.
  expect(outcomes(await retry({ limit: 10 }))).toEqual(["4 refused"]);
});

test("the good readings of a partly bad letter go into the log, and a new letter explains the rest", async () => {
  await lettersThenMended(["plant/north/d1", '[{"t": 1}, 7]']);
  const [result] = (await retry({ sequences: [1] })).results;
  expect(result).toMatchObject({ outcome: "refused", retry: { readings: 1, letter: 2 } });
  expect(result?.detail).toBe("it still cannot be read as a whole (1 reading went into the log): letter 2 says why");
  expect(await readings()).toHaveLength(1);
});

test("many are retried oldest first, by reason and topic, in batches, without the letters that they become", async () => {
  const wrong = await start();
  for (let i = 1; i <= 7; i++) await publish(wrong, `plant/s/d${i}`, i === 3 ? "bad" : `{"t": ${i}}`);
  await publish(wrong, "sensors/s/x/telemetry", "{oops");
  await stopAll();
  nowUs = LATER;
  await start(FIXED);
  const first = await retry({ limit: 4, topic: "plant/*" });
  expect(outcomes(first)).toEqual(["1 stored", "2 stored", "3 refused", "4 stored"]);
  expect(first).toMatchObject({ before: 9, next: 4 });
  const rest = await retry({ limit: 4, topic: "plant/*", before: first.before, after: first.next ?? 0 });
  expect(outcomes(rest)).toEqual(["5 stored", "6 stored", "7 stored"]);
  expect(rest.next).toBeUndefined();
  expect((await readings()).map(({ value }) => value).sort()).toEqual([1, 2, 4, 5, 6, 7]);
  expect(outcomes(await retry({ limit: 9, reason: "bad-payload", before: 9 }))).toEqual(["8 refused"]);
  expect(outcomes(await retry({ limit: 9, reason: "no-such" }))).toEqual([]);
});

test.each(["write-refused", "unreadable-entry", "notification", "unreadable", "of-tomorrow"])(
  "a letter with reason %s cannot be retried, and the answer explains why",
  async (reason) => {
    await start();
    const about = { detail: "", topic: "t", payload: new Uint8Array(1), clientId: "", receivedAtUs: CAME };
    const payload = reason === "unreadable" ? new Uint8Array([255, 255]) : encodeDeadLetter({ reason, ...about });
    await log.append({ subject: `deadletters.${reason}`, payload });
    const { results } = await retry({ sequences: [1] });
    expect(results).toMatchObject([
      { outcome: "not-retryable", detail: expect.stringMatching(/^it cannot be retried: /) },
    ]);
    expect(outcomes(await retry({ limit: 10 }))).toEqual([]);
    expect((await log.bounds("DEADLETTERS")).messages).toBe(1);
  },
);

test("a letter without room for the new reason is unchanged, and does not delay the others", async () => {
  const about = { reason: "bad-payload", detail: "", topic: "plant/s/d", clientId: "", receivedAtUs: CAME };
  const large = encodeDeadLetter({ ...about, payload: new Uint8Array(5_000).fill(0x78) });
  log = createMemoryLog({ nowUs: () => nowUs, payloadBytesMax: large.length });
  await log.append({ subject: "deadletters.bad-payload", payload: large });
  const small = encodeDeadLetter({ ...about, payload: new TextEncoder().encode('{"t": 1}') });
  await log.append({ subject: "deadletters.bad-payload", payload: small });
  await start(FIXED);
  const { results } = await retry({ limit: 10 });
  expect(results).toMatchObject([
    { sequence: 1, outcome: "not-retryable", detail: expect.stringContaining("too large") },
    { sequence: 2, outcome: "stored" },
  ]);
});

test("a truncated letter is not retried: it could be misread", async () => {
  await start();
  const payload = new TextEncoder().encode("12345");
  const about = { reason: "unknown-topic", detail: "", topic: "sensors/s/d/t", clientId: "", receivedAtUs: CAME };
  await log.append({
    subject: "deadletters.unknown-topic",
    payload: encodeDeadLetter({ ...about, payload, wholeBytes: 9 }),
  });
  const { results } = await retry({ sequences: [1] });
  expect(results).toMatchObject([
    { outcome: "not-retryable", detail: expect.stringContaining("only the first 5 of the payload's 9 bytes are kept") },
  ]);
  expect(outcomes(await retry({ limit: 10 }))).toEqual([]);
  expect(await readings()).toEqual([]);
});

test("a letter whose decoding throws becomes another letter, and does not delay the other letters of the request", async () => {
  const about = { reason: "reading-failed", detail: "", clientId: "", receivedAtUs: CAME };
  for (const [topic, text] of [
    ["plant/s/d", `{"t": ${"[".repeat(50_000)}${"]".repeat(50_000)}}`],
    ["plant/s/poison", '{"t": 2}'],
    ["plant/s/d", '{"t": 3}'],
  ] as const) {
    const payload = new TextEncoder().encode(text);
    await log.append({
      subject: "deadletters.reading-failed",
      payload: encodeDeadLetter({ ...about, topic, payload }),
    });
  }
  await start(FIXED);
  const find = TopicRoutes.prototype.find;
  const spy = vi.spyOn(TopicRoutes.prototype, "find").mockImplementation(function (this: TopicRoutes, topic) {
    if (topic.endsWith("poison")) throw new Error("odd topic");
    return find.call(this, topic);
  });
  const report = await retry({ limit: 10 });
  spy.mockRestore();
  expect(outcomes(report)).toEqual(["1 refused", "2 refused", "3 stored"]);
  expect((await letterAt(log, 4))?.letter).toMatchObject({ reason: "too-large", retryOf: 1 });
  expect((await letterAt(log, 5))?.letter).toMatchObject({ reason: "reading-failed", retryOf: 2 });
  expect((await readings()).map(({ value }) => value)).toEqual([3]);
});

test("a missing letter is not found, nor is the sequence of an outcome", async () => {
  await lettersThenMended(["plant/s/d", '{"t": 1}']);
  expect(outcomes(await retry({ sequences: [1] }))).toEqual(["1 stored"]);
  expect(outcomes(await retry({ sequences: [2, 99] }))).toEqual(["2 not-found", "99 not-found"]);
});

test("a crash before the outcome is written loses nothing: the next retry yields the same readings", async () => {
  const wrong = await start();
  await publish(wrong, "plant/s/d", '{"t": 1, "u": 2}');
  await stopAll();
  nowUs = LATER;
  const append = async (message: Append) => {
    if (message.subject.startsWith("deadletters.retried.")) throw new Error("killed");
    return await log.append(message);
  };
  await start(FIXED, { append });
  await expect(retry({ sequences: [1] })).rejects.toThrow("killed");
  await stopAll();
  await start(FIXED);
  expect(outcomes(await retry({ sequences: [1] }))).toEqual(["1 stored"]);
  const all = await readings();
  const identities = new Set(all.map(({ device, metric, atUs }) => `${device} ${metric} ${atUs}`));
  expect([all.length, identities.size]).toEqual([4, 2]);
});

test("two simultaneous requests for one letter, here or at another gateway, leave one outcome", async () => {
  await lettersThenMended(["plant/s/d", '{"t": 1}']);
  const both = await Promise.all([retry({ sequences: [1] }), retry({ limit: 5 }), retry({ sequences: [1] })]);
  expect(both.flatMap(outcomes)).toEqual(["1 stored", "1 already-done"]);
  await stopAll();

  log = createMemoryLog({ nowUs: () => nowUs });
  await lettersThenMended(["plant/s/d", '{"t": 1}']);
  await stopAll();
  // Another gateway is faster: it writes its outcome after this one has found none.
  const append = async (message: Append) => {
    if (!message.subject.startsWith("deadletters.retried.")) return await log.append(message);
    await log.append({
      ...message,
      payload: new TextEncoder().encode('{"outcome":"stored","by":"bob","atUs":7,"readings":1}'),
    });
    return await log.append(message);
  };
  await start(FIXED, { append });
  const [result] = (await retry({ sequences: [1] })).results;
  expect(result).toMatchObject({ outcome: "already-done", retry: { by: "bob" } });
  await expect(
    log.append({ subject: "deadletters.retried.1", payload: new Uint8Array(), expectLastSubjectSequence: 0 }),
  ).rejects.toBeInstanceOf(ConflictError);
});

test.each([
  [{ sequences: [] }, /sequences/],
  [{ sequences: [0] }, /not understood/],
  [{ limit: 1_000 }, /limit|not understood/],
  [{ limit: 5, colour: "red" }, /not understood/],
  [{}, /not understood/],
])("an invalid request is refused: %j", async (order, words) => {
  await start();
  await expect(retry(order as Partial<RetryOrder>)).rejects.toThrow(words);
});

test("requests after the stop get no answer", async () => {
  await start();
  await stopAll();
  await expect(retry({ limit: 1 })).rejects.toBeInstanceOf(NoAnswerError);
});

test("retries are not letters: pages of letters omit them", async () => {
  const wrong = await start();
  for (let i = 0; i < 150; i++) await publish(wrong, `plant/s/d${i}`, '{"t": 1}');
  await stopAll();
  await start(FIXED);
  expect((await retry({ limit: 100 })).results).toHaveLength(100);
  const sequences: number[] = [];
  for (let before: number | undefined = 1_000; before !== undefined; ) {
    const page: { letters: readonly number[]; next: number | undefined } = await pageOfLetters(
      log,
      { before, limit: 40 },
      (kept) => kept.sequence,
    );
    sequences.push(...page.letters);
    before = page.next;
  }
  expect(sequences).toEqual(Array.from({ length: 150 }, (_, i) => 150 - i));
});

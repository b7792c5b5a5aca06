import type { LetterRetry, RetryResult } from "../../contracts/dead-letters.ts";

export interface MockAnswer {
  readonly status: number;
  readonly value: unknown;
}

interface MockLetter {
  readonly reason: string;
  readonly detail: string;
  readonly topic: string;
  readonly text: string;
  readonly position?: number;
  readonly retryOf?: number;
  readonly agoUs: number;
}

const MINUTE_US = 60_000_000;
const FIRST: readonly MockLetter[] = [
  {
    reason: "write-refused",
    detail:
      "field type conflict: input field value on measurement readings is type float, already exists as type string",
    topic: "influxdb/weir",
    text: "readings,device=Dongsi value=4.5 1763769600000000",
    agoUs: 31 * MINUTE_US,
  },
  {
    reason: "bad-timestamp",
    detail: '"ts": "yesterday" is no time (expected a count of s, ms, us or ns, or ISO 8601)',
    topic: "sensors/urban/Guanyuan/telemetry",
    text: '{"ts": "yesterday", "TEMP": 3}',
    agoUs: 12 * MINUTE_US,
  },
  {
    reason: "unknown-topic",
    detail: "no source matches this topic",
    topic: "factory/line-3/press-1",
    text: '{"temperature": 61.5, "pressure": 4.2}',
    agoUs: 4 * MINUTE_US,
  },
  {
    reason: "bad-payload",
    detail: "this is no JSON: Expected double-quoted property name in JSON at position 13",
    topic: "sensors/urban/Dongsi/telemetry",
    text: '{"PM2.5": 87,, "NO2": 41}',
    position: 13,
    agoUs: MINUTE_US,
  },
];

/** Dead letters, of which those with an unknown topic can be read when they are retried. */
export function createMockLetters(nowUs: () => number): {
  answer(method: string, id: string | undefined, part: string | undefined): MockAnswer;
} {
  const letters: MockLetter[] = [...FIRST];
  const retries = new Map<number, LetterRetry>();
  const startedUs = nowUs();

  function shown(sequence: number) {
    const { text, agoUs, ...about } = letters[sequence - 1] ?? { text: "", agoUs: 0, reason: "" };
    const atUs = startedUs - agoUs;
    const retry = retries.get(sequence);
    return {
      ...{ sequence, storedAtUs: atUs, receivedAtUs: atUs, ...about, clientId: "logger-7" },
      ...{ payloadBytes: text.length, preview: text, text, base64: Buffer.from(text).toString("base64") },
      ...{ retryable: retry === undefined && about.reason !== "write-refused", retry },
    };
  }

  function retryOne(sequence: number): RetryResult {
    const letter = letters[sequence - 1];
    const before = retries.get(sequence);
    if (letter === undefined) return { sequence, outcome: "not-found", detail: "there is no such letter" };
    if (before !== undefined) return { sequence, outcome: "already-done", detail: "done before", retry: before };
    if (letter.reason === "write-refused") return { sequence, outcome: "not-retryable", detail: "it is no message" };
    const about = { by: "", atUs: nowUs() };
    const stored = letter.reason === "unknown-topic";
    if (!stored) letters.push({ ...letter, retryOf: sequence, agoUs: startedUs - nowUs() });
    const retry: LetterRetry = stored
      ? { outcome: "stored", readings: 2, ...about }
      : { outcome: "refused", readings: 0, letter: letters.length, ...about };
    retries.set(sequence, retry);
    return { sequence, outcome: retry.outcome, detail: "", retry };
  }

  function answer(method: string, id: string | undefined, part: string | undefined): MockAnswer {
    const all = letters.map((_, index) => shown(index + 1));
    if (method === "POST" && id === "retry") {
      const open = all.filter(({ retryable }) => retryable);
      return ok({ results: open.map(({ sequence }) => retryOne(sequence)), before: all.length + 1 });
    }
    if (method === "POST" && part === "retry") return ok(retryOne(Number(id)));
    return ok(id === undefined ? { total: all.length, reasons: {}, letters: all.toReversed() } : shown(Number(id)));
  }

  return { answer };
}

function ok(value: unknown): MockAnswer {
  return { status: 200, value };
}

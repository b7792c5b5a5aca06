import { adviceOf, type LetterRetry, type RetryResult } from "../../contracts/dead-letters.ts";
import type { TrialReport } from "../../contracts/trials.ts";

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
  readonly source?: string;
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
    detail: '"ts": "yesterday" is not a time (expected a count of s, ms, us or ns, or ISO 8601)',
    topic: "sensors/urban/Guanyuan/telemetry",
    text: '{"ts": "yesterday", "TEMP": 3}',
    agoUs: 12 * MINUTE_US,
  },
  {
    reason: "unknown-topic",
    detail: "no source matches this topic; the nearest is sensors/{site}/{device}/telemetry: it has 3 levels, not 4",
    topic: "factory/line-3/press-1",
    text: '{"temperature": 61.5, "pressure": 4.2}',
    agoUs: 4 * MINUTE_US,
  },
  {
    reason: "bad-payload",
    detail: "the payload is not JSON: Expected double-quoted property name in JSON at position 13",
    topic: "sensors/urban/Dongsi/telemetry",
    text: '{"PM2.5": 87,, "NO2": 41}',
    position: 13,
    source: "sensors/{site}/{device}/telemetry",
    agoUs: MINUTE_US,
  },
];

/** Dead letters. A retry can read those with an unknown topic. */
export class MockLetters {
  readonly #nowUs: () => number;
  readonly #startedUs: number;
  readonly #letters: MockLetter[] = [...FIRST];
  readonly #retries = new Map<number, LetterRetry>();

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs;
    this.#startedUs = nowUs();
  }

  answer(method: string, id: string | undefined, action: string | undefined): MockAnswer {
    const all = this.#letters.map((_, index) => this.#describe(index + 1));
    if (method === "POST" && id === "retry") {
      const open = all.filter(({ retryable }) => retryable);
      return ok({ results: open.map(({ sequence }) => this.#retry(sequence)), before: all.length + 1 });
    }
    if (method === "POST" && action === "retry") return ok(this.#retry(Number(id)));
    if (action === "trial") return ok(this.#trial(Number(id)));
    if (id === "topics") return ok(this.#topics());
    if (method === "POST" && id === "dismiss") {
      const gone = this.#letters.splice(0).length;
      return ok({ dismissed: gone, before: gone + 1 });
    }
    if (id !== undefined) return ok(this.#describe(Number(id)));
    return ok({ total: all.length, reasons: {}, letters: all.toReversed() });
  }

  /** As if the first source took the letter's topic, or none did. */
  #trial(sequence: number): TrialReport {
    const { reason = "", detail = "", topic = "" } = this.#letters[sequence - 1] ?? {};
    const source = "sensors/{site}/{device}/telemetry";
    const nothing = { readings: [], count: 0 };
    const other = { source: "sensors/{site}/{device}/{metric}", ...nothing };
    if (reason !== "unknown-topic") {
      const reading = { device: topic.split("/")[2] ?? "", tags: { site: "urban" }, metric: "NO2", value: 41 };
      const read = { readings: [{ ...reading, time: "received" as const }], count: 1 };
      const trials: TrialReport["trials"] = [
        { source, outcome: "read", why: detail, reason, ...read },
        { ...other, outcome: "not-asked", why: "" },
      ];
      return { trials };
    }
    const levels = topic.split("/");
    return {
      trials: [
        { source, outcome: "other-topic", why: `it has ${levels.length} levels, not 4`, ...nothing },
        { ...other, outcome: "other-topic", why: `level 1 of ${other.source} is not "${levels[0]}"` },
      ],
      suggestion: { yaml: `- topic: ${levels.slice(0, -1).join("/")}/{device}` },
    };
  }

  #topics() {
    const all = this.#letters.map(({ topic }) => topic);
    const topics = [...new Set(all)].map((topic) => ({
      topic,
      letters: all.filter((one) => one === topic).length,
      ...{ reasons: {}, newest: 1, newestAtUs: this.#startedUs },
    }));
    return { topics, counted: all.length, hasMore: false };
  }

  #describe(sequence: number) {
    const { text, agoUs, ...about } = this.#letters[sequence - 1] ?? { text: "", agoUs: 0, reason: "" };
    const atUs = this.#startedUs - agoUs;
    const retry = this.#retries.get(sequence);
    return {
      ...{ sequence, storedAtUs: atUs, receivedAtUs: atUs, ...about, clientId: "logger-7" },
      ...{ payloadBytes: text.length, preview: text, text, base64: Buffer.from(text).toString("base64") },
      ...{ retryable: retry === undefined && about.reason !== "write-refused", retry },
      advice: adviceOf({ reason: about.reason, isCut: false }),
    };
  }

  #retry(sequence: number): RetryResult {
    const letter = this.#letters[sequence - 1];
    const before = this.#retries.get(sequence);
    if (letter === undefined) return { sequence, outcome: "not-found", detail: "the letter does not exist" };
    if (before !== undefined) return { sequence, outcome: "already-done", detail: "done before", retry: before };
    if (letter.reason === "write-refused") return { sequence, outcome: "not-retryable", detail: "it is not a message" };
    const about = { by: "", atUs: this.#nowUs() };
    const stored = letter.reason === "unknown-topic";
    if (!stored) this.#letters.push({ ...letter, retryOf: sequence, agoUs: this.#startedUs - this.#nowUs() });
    const retry: LetterRetry = stored
      ? { outcome: "stored", readings: 2, ...about }
      : { outcome: "refused", readings: 0, letter: this.#letters.length, ...about };
    this.#retries.set(sequence, retry);
    return { sequence, outcome: retry.outcome, detail: "", retry };
  }
}

export function ok(value: unknown): MockAnswer {
  return { status: 200, value };
}

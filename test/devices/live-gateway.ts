import { join } from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { expect, vi } from "vitest";
import { DEFAULT_SOURCES } from "../../ingest/common/config.ts";
import { readPreset } from "../../ingest/presets/presets.ts";
import { duckdbRows, startGateway } from "../end-to-end/kit.ts";
import type { GatewayProcess } from "../servers/gateway-process.ts";
import { type FamilyCase, type Message, messagesOf } from "./family.ts";

export interface StoredReading {
  readonly device: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly metric: string;
  readonly value: number | boolean | string;
  readonly atUs: number;
}

export interface Letter {
  readonly topic: string;
  readonly reason: string;
  readonly detail: string;
}

/** What a gateway made of the messages of one case. */
export interface Outcome {
  readonly readings: readonly StoredReading[];
  readonly letters: readonly Letter[];
  /** The receive times of the messages are within. */
  readonly sentUs: { readonly from: number; readonly until: number };
}

export interface Outcomes {
  readonly of: ReadonlyMap<FamilyCase, Outcome>;
  /** The gateway's metrics by name, without labels. */
  readonly counts: ReadonlyMap<string, number>;
  readonly rows: number;
}

const WAIT = { timeout: 60_000, interval: 100 };
/** In no series that a page shows: it only tells the cases apart. */
const TAG = "case";

/**
 * One gateway has the sources of all cases. The topics of each case, and those of its sources, begin with a level of
 * its own, and its series have a tag. A client publishes the messages over MQTT; the readings are what the store's
 * file has when the gateway has stopped.
 */
export async function takeCases(cases: readonly FamilyCase[], undo: (() => Promise<unknown>)[]): Promise<Outcomes> {
  const placed = cases.map((one, i) => placedCase(one, `c${i}`));
  const sources = [...placed.flatMap((one) => one.sources), { use: "sparkplug" }];
  const files = { "weir.yaml": JSON.stringify({ sources }), "rules/none.yaml": "rules: []\n" };
  // It runs in its folder, where it finds the file.
  const gateway = await startGateway(undo, { files });
  const client = await connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  const sent = await Promise.all(placed.map(({ messages }) => publish(client, messages)));
  await client.endAsync();
  const counts = await settledCounts(
    gateway,
    placed.reduce((total, { messages }) => total + messages.length, 0),
  );
  const letters = await lettersOf(gateway);
  expect(await gateway.stop(30_000)).toBe("code 0");
  const readings = await readingsIn(join(gateway.dataDir, "history.duckdb"));
  const outcomes = placed.map(({ one, takes, name }, i): [FamilyCase, Outcome] => {
    const own = readings.filter(({ tags }) => takes(tags)).map((reading) => withoutTag(reading));
    const itsLetters = letters.filter(({ topic }) => topic.startsWith(`${name}/`));
    return [one, { readings: own, letters: itsLetters, sentUs: sent[i] ?? { from: 0, until: 0 } }];
  });
  return { of: new Map(outcomes), counts, rows: readings.length };
}

interface Placed {
  readonly one: FamilyCase;
  /** The first levels of its topics. */
  readonly name: string;
  readonly sources: readonly unknown[];
  readonly messages: readonly Message[];
  takes(tags: Readonly<Record<string, string>>): boolean;
}

function placedCase(one: FamilyCase, name: string): Placed {
  const messages = messagesOf(one);
  const group = /^spBv1\.0\/([^/]+)\//.exec(messages[0]?.topic ?? "")?.[1];
  if (group !== undefined) {
    // Sparkplug says how topics begin: its groups tell the cases apart.
    return { one, name: `spBv1.0/${group}`, sources: [], messages, takes: (tags) => tags.group === group };
  }
  return {
    ...{ one, name },
    sources: (one.sources ?? DEFAULT_SOURCES).map((source) => placedSource(source as SourceEntry, name)),
    messages: messages.map(({ topic, payload }) => ({ topic: `${name}/${topic}`, payload })),
    takes: (tags) => tags[TAG] === name,
  };
}

interface SourceEntry {
  readonly use?: string;
  readonly base?: string;
  readonly topic?: string | readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
}

function placedSource(source: SourceEntry, name: string): unknown {
  const tags = { ...source.tags, [TAG]: name };
  if (source.use !== undefined) {
    const base = source.base ?? readPreset(source.use).base;
    return { ...source, tags, base: base === undefined ? name : `${name}/${base}` };
  }
  const topics = [source.topic ?? []].flat();
  return { ...source, tags, topic: topics.map((topic) => `${name}/${topic}`) };
}

async function publish(client: MqttClient, messages: readonly Message[]): Promise<Outcome["sentUs"]> {
  const from = Date.now() * 1_000;
  for (const { topic, payload } of messages) await client.publishAsync(topic, Buffer.from(payload), { qos: 1 });
  // The gateway's clock has parts of a millisecond.
  return { from, until: (Date.now() + 1) * 1_000 };
}

/** When all messages came in, and everything of them is stored. Each service reports its figures when it has time. */
async function settledCounts(gateway: GatewayProcess, messages: number): Promise<ReadonlyMap<string, number>> {
  let counts: ReadonlyMap<string, number> = new Map();
  const unstored = async () => {
    counts = (await gateway.metrics()) ?? new Map();
    if (counts.get("weir_ingest_messages_total") !== messages) return Number.NaN;
    const stored = (counts.get("weir_storage_points_total") ?? 0) + (counts.get("weir_storage_duplicates_total") ?? 0);
    return (counts.get("weir_ingest_readings_total") ?? -1) - stored;
  };
  await vi.waitFor(async () => expect(await unstored()).toBe(0), WAIT);
  return counts;
}

async function lettersOf(gateway: GatewayProcess): Promise<Letter[]> {
  const letters: Letter[] = [];
  for (let before: number | undefined; ; ) {
    const { text } = await gateway.get(`/api/v1/dead-letters${before === undefined ? "" : `?before=${before}`}`);
    const page: { readonly letters: readonly Letter[]; readonly next?: number } = JSON.parse(text);
    letters.unshift(...[...page.letters].reverse());
    if (page.next === undefined) return letters;
    before = page.next;
  }
}

async function readingsIn(file: string): Promise<StoredReading[]> {
  const rows = await duckdbRows(file, "SELECT *, epoch_us(time)::DOUBLE AS us FROM readings");
  return rows.map((row): StoredReading => {
    const { kind } = row;
    const value = kind === "string" ? String(row.text) : kind === "boolean" ? row.value === 1 : Number(row.value);
    const tags = JSON.parse(String(row.tags));
    return { device: String(row.device), tags, metric: String(row.metric), value, atUs: Number(row.us) };
  });
}

function withoutTag(reading: StoredReading): StoredReading {
  const { [TAG]: _, ...tags } = reading.tags;
  return { ...reading, tags };
}

import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PRESET_NAMES } from "../../ingest/presets/presets.ts";
import { devicePage, devicesIndex } from "./device-page.ts";
import { FAMILIES, type FamilyCase } from "./family.ts";
import { type Outcome, type Outcomes, type StoredReading, takeCases } from "./live-gateway.ts";

/** In any order: readings of one message may be in several partitions. */
function sorted<T>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

function shown({ device, tags, metric, value, atUs }: StoredReading, { sentUs }: Outcome) {
  const isReceived = atUs >= sentUs.from && atUs <= sentUs.until;
  const sortedTags = Object.fromEntries(Object.entries(tags).sort());
  return { device, tags: sortedTags, metric, value, time: isReceived ? "received" : atUs };
}

function wanted({ device, tags, metric, value, time }: FamilyCase["readings"][number]) {
  const atUs = time === undefined ? "received" : instantUs(time);
  return { device, tags: Object.fromEntries(Object.entries(tags).sort()), metric, value, time: atUs };
}

function instantUs(text: string): number {
  const fraction = /\.(\d+)Z$/.exec(text)?.[1] ?? "";
  const seconds = Date.parse(text.replace(/\.\d+Z$/, "Z")) / 1_000;
  return seconds * 1e6 + Number(fraction.padEnd(6, "0").slice(0, 6));
}

const CASES = FAMILIES.flatMap(({ cases }) => cases);
const undo: (() => Promise<unknown>)[] = [];
let outcomes: Outcomes;

beforeAll(async () => {
  outcomes = await takeCases(CASES, undo);
});

afterAll(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

describe.each(FAMILIES)("$title", (family) => {
  test.each(family.cases)("$what", (one) => {
    const outcome = outcomes.of.get(one) as Outcome;
    expect(sorted(outcome.readings.map((reading) => shown(reading, outcome)))).toEqual(
      sorted(one.readings.map(wanted)),
    );
    expect(outcome.letters.map(({ reason, detail }) => ({ reason, detail }))).toEqual(
      one.letters.map(({ reason, detail }) => ({ reason, detail: expect.stringContaining(detail) })),
    );
  });

  test("its page is the one of these tests", async () => {
    await expect(devicePage(family)).toMatchFileSnapshot(`../../docs/devices/${family.name}.md`);
  });
});

test("every message is accounted for, and every reading is stored, once", () => {
  const count = (name: string) => outcomes.counts.get(`weir_${name}_total`) ?? 0;
  const messages = sum(({ messages }) => messages.length);
  expect(count("ingest_messages")).toBe(messages);
  expect(count("ingest_stored") + count("ingest_dead_letters") + count("ingest_dropped")).toBe(messages);
  expect(count("ingest_readings")).toBe(sum(({ readings }) => readings.length));
  expect(count("storage_duplicates")).toBe(0);
  expect(outcomes.rows).toBe(count("ingest_readings"));
  expect(count("ingest_clock_behind")).toBe(sum(({ behind }) => behind));
  expect(count("ingest_local_times_guessed")).toBe(sum(({ guessed }) => guessed));
});

function sum(numberOf: (one: FamilyCase) => number): number {
  return CASES.reduce((total, one) => total + numberOf(one), 0);
}

test("the list of the pages is the one of these tests, and no other page remains", async () => {
  await expect(devicesIndex(FAMILIES)).toMatchFileSnapshot("../../docs/devices/README.md");
  const pages = readdirSync(new URL("../../docs/devices/", import.meta.url));
  expect(pages.sort()).toEqual(["README.md", ...FAMILIES.map(({ name }) => `${name}.md`)].sort());
});

test("each preset is used by a test", () => {
  const used = FAMILIES.flatMap(({ cases }) => cases.flatMap(({ sources = [] }) => sources))
    .filter((source) => typeof source === "object" && source !== null && "use" in source)
    .map((source) => (source as { use: unknown }).use);
  expect(PRESET_NAMES.filter((name) => !used.includes(name))).toEqual([]);
});

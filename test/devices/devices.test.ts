import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { PRESET_NAMES } from "../../ingest/presets/presets.ts";
import { devicePage, devicesIndex } from "./device-page.ts";
import { FAMILIES, type FamilyCase, messagesOf } from "./family.ts";
import { type Outcome, type StoredReading, takeMessages } from "./live-edge.ts";

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

describe.each(FAMILIES)("$title", (family) => {
  test.each(family.cases)("$what", async (one) => {
    const outcome = await takeMessages(one.sources, messagesOf(one));
    expect(sorted(outcome.readings.map((reading) => shown(reading, outcome)))).toEqual(
      sorted(one.readings.map(wanted)),
    );
    expect(outcome.letters.map(({ reason, detail }) => ({ reason, detail }))).toEqual(
      one.letters.map(({ reason, detail }) => ({ reason, detail: expect.stringContaining(detail) })),
    );
    const { messages = 0, stored = 0, dead_letters = 0, dropped = 0, clock_behind = 0 } = outcome.counts;
    expect(messages).toBe(one.messages.length);
    expect(stored + dead_letters + dropped).toBe(messages);
    expect(clock_behind).toBe(one.behind);
    expect(outcome.counts.local_times_guessed ?? 0).toBe(one.guessed);
  });

  test("its page is the one of these tests", async () => {
    await expect(devicePage(family)).toMatchFileSnapshot(`../../docs/devices/${family.name}.md`);
  });
});

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

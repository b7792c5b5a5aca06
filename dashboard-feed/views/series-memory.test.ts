import { expect, test } from "vitest";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { type RememberedSeries, SeriesMemory } from "./series-memory.ts";

const DAY_US = 86_400_000_000;
const NOW_US = 20_000 * DAY_US;

function memoryOn(log = createMemoryLog({ nowUs: () => NOW_US })) {
  const failures: unknown[] = [];
  const memory = () =>
    new SeriesMemory({ blobs: log.blobs, nowUs: () => NOW_US, onFailed: (error) => failures.push(error) });
  return { log, failures, memory };
}

function series(name: string, about: Partial<RememberedSeries> = {}): RememberedSeries {
  return {
    device: name,
    metric: "temperature",
    tags: { site: "north" },
    atUs: 1,
    value: 5.5,
    seenUs: NOW_US,
    ...about,
  };
}

test("keeps thousands of series with every kind of value, and forgets those that were silent for 30 days", async () => {
  const { failures, memory } = memoryOn();
  const kept = [
    series("a", { everyUs: 10_000_000 }),
    series("b", { value: 'say "cool"\n', seenUs: NOW_US - 29 * DAY_US }),
    series("c", { value: false, tags: {} }),
    ...Array.from({ length: 5_000 }, (_, i) => series(`d${i}`)),
  ];
  const gone = series("gone", { seenUs: NOW_US - 31 * DAY_US });
  await memory().stop({ changes: () => 1, series: () => [gone, ...kept] });
  expect(await memory().recall()).toEqual(kept);
  expect(failures).toEqual([]);
});

test("saves nothing while the series are not known, or when nothing has changed", async () => {
  const { memory } = memoryOn();
  const one = memory();
  await one.stop({ changes: () => 1, series: () => [series("a")] });
  await one.stop({ changes: () => 1, series: () => [] });
  await memory().stop({ changes: () => 0, series: () => [] });
  expect(await memory().recall()).toEqual([series("a")]);
});

test("a blob that cannot be read is reported, and the feed starts without it", async () => {
  const { log, failures, memory } = memoryOn();
  expect(await memory().recall()).toEqual([]);
  expect(failures).toEqual([]);
  await log.blobs.put("feed-series", new TextEncoder().encode("not gzip"));
  expect(await memory().recall()).toEqual([]);
  expect(failures).toHaveLength(1);
});

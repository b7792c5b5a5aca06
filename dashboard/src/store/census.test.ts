import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import type { DeviceItem } from "../../../contracts/feed/protocol.ts";
import { countDevices, createCensus } from "./census.ts";
import type { DeviceEntry } from "./devices.ts";

const S = 1_000_000;

function entry(name: string, about: Partial<DeviceItem>): Pick<DeviceEntry, "item"> {
  const item: DeviceItem = {
    device: name,
    tags: {},
    lastSeenUs: 100 * S,
    silentFromUs: 130 * S,
    readings: 1,
    clockAhead: 0,
    metrics: { temperature: { atUs: 100 * S, value: 1 } },
    ...about,
  };
  return { item: signal(item) };
}

const DEVICES = [
  entry("well", {}),
  entry("silent", { silentFromUs: 105 * S }),
  entry("one dead sensor", {
    metrics: { a: { atUs: 1, value: 1 }, b: { atUs: 1, value: 1, seenUs: 50 * S, silentFromUs: 80 * S } },
  }),
  entry("not watched", { unwatched: true, metrics: { a: { atUs: 1, value: 1, unwatched: true } } }),
  entry("half watched", { metrics: { a: { atUs: 1, value: 1 }, b: { atUs: 1, value: 1, unwatched: true } } }),
  entry("half watched, too", { metrics: { b: { atUs: 1, value: 1, unwatched: true } } }),
];

test("counts silent and unwatched devices, each once", () => {
  expect(countDevices(DEVICES, 110 * S)).toEqual({
    devices: 6,
    silent: 1,
    partlySilent: 1,
    unwatched: 1,
    unwatchedMetrics: 1,
  });
  expect(countDevices(DEVICES, 130 * S)).toMatchObject({ silent: 6, partlySilent: 0 });
});

test("changes only when the counts do", () => {
  const nowUs = signal(100 * S);
  const census = createCensus(signal(DEVICES), nowUs);
  const before = census.value;
  nowUs.value = 104 * S;
  expect(census.value).toBe(before);
  nowUs.value = 106 * S;
  expect(census.value.silent).toBe(1);
});

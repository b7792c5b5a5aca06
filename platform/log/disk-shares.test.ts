import { expect, test } from "vitest";
import { STREAMS, type StreamName } from "../../domain/subjects.ts";
import { divideDisk, type StreamDemand } from "./disk-shares.ts";

const MIB = 1_048_576;
const GIB = 1_024 * MIB;
const DEFAULTS: Readonly<Record<StreamName, number>> = {
  READINGS: 10 * GIB,
  GROUPS: 2.5 * GIB,
  WINDOWS: 2 * GIB,
  ALERTS: GIB,
  DEADLETTERS: GIB,
  NOTIFICATIONS: 256 * MIB,
  BRIDGES: 256 * MIB,
  MQTT_SESSIONS: 64 * MIB,
  MQTT_PROGRESS: 64 * MIB,
  MQTT_QUEUE: 128 * MIB,
  MQTT_RETAINED: 128 * MIB,
};

type Change = Partial<Omit<StreamDemand, "name">>;

function demands(changes: Partial<Record<StreamName, Change>> = {}, all: Change = {}): StreamDemand[] {
  return STREAMS.map((name) => ({
    name,
    ...{ wantedBytes: DEFAULTS[name], givenBytes: undefined, heldBytes: 0, ...all, ...changes[name] },
  }));
}

/** In MiB. */
function sizes(streams: readonly StreamDemand[], freeMib: number): Partial<Record<StreamName, number>> {
  const division = divideDisk(streams, freeMib * MIB);
  if (division.state === "too-small") throw new Error("too small");
  return Object.fromEntries([...division.sizes].map(([name, size]) => [name, Math.round(size / MIB)]));
}

const total = (all: Partial<Record<StreamName, number>>) => Object.values(all).reduce((sum, each) => sum + each, 0);

test("a large disk gives every stream its wanted size", () => {
  const division = divideDisk(demands(), 100 * GIB);
  expect(division).toEqual({ state: "fits", sizes: new Map(Object.entries(DEFAULTS)) });
});

test("a small disk keeps the proportions, and two fifths of it stay free", () => {
  const all = sizes(demands(), 6 * 1_024);
  expect(total(all)).toBeLessThanOrEqual(0.6 * 6 * 1_024 + 3);
  expect(total(all)).toBeGreaterThan(0.59 * 6 * 1_024);
  expect((all.READINGS ?? 0) / (all.WINDOWS ?? 1)).toBeCloseTo(5, 1);
  expect((all.READINGS ?? 0) / (all.NOTIFICATIONS ?? 1)).toBeCloseTo(40, 0);
});

test("a very small disk gives the small streams their minimum, and the others the rest", () => {
  const all = sizes(demands(), 300);
  expect(all).toMatchObject({
    ALERTS: 16,
    DEADLETTERS: 16,
    NOTIFICATIONS: 16,
    BRIDGES: 3,
    MQTT_SESSIONS: 3,
    MQTT_QUEUE: 3,
  });
  expect(total(all)).toBeGreaterThanOrEqual(178);
  expect(total(all)).toBeLessThanOrEqual(181);
});

test("a disk without space for the minimum says how much it needs", () => {
  expect(divideDisk(demands(), 20 * MIB)).toEqual({ state: "too-small", neededBytes: 185 * MIB });
  expect(divideDisk(demands(), 185 * MIB).state).toBe("scaled");
  // Small sizes need less.
  expect(divideDisk(demands({}, { wantedBytes: 4 * MIB }), 20 * MIB)).toEqual({
    state: "too-small",
    neededBytes: 65 * MIB,
  });
});

test("existing streams start on a full disk, and keep their sizes while files appear and disappear", () => {
  const existing = demands({ READINGS: { givenBytes: 100 * MIB } }, { givenBytes: 16 * MIB, heldBytes: 10 * MIB });
  const small = { BRIDGES: 16, MQTT_SESSIONS: 16, MQTT_PROGRESS: 16, MQTT_QUEUE: 16, MQTT_RETAINED: 16 };
  const kept = { READINGS: 100, GROUPS: 16, WINDOWS: 16, ALERTS: 16, DEADLETTERS: 16, NOTIFICATIONS: 16, ...small };
  expect(sizes(existing, 0)).toEqual(kept);
  expect(sizes(existing, 200)).toEqual(kept);
  expect(total(sizes(existing, 6 * 1_024))).toBeGreaterThan(3_000);
});

test("a missing stream gets space from the others, which keep their content", () => {
  const streams = demands(
    { READINGS: { givenBytes: 2 * GIB, heldBytes: 150 * MIB }, ALERTS: { givenBytes: undefined, heldBytes: 0 } },
    { givenBytes: 64 * MIB },
  );
  const all = sizes(streams, 300);
  expect(all.ALERTS).toBe(16);
  expect(all.READINGS).toBeGreaterThanOrEqual(150);
  expect(all.READINGS).toBeLessThan(256);
  expect(all.WINDOWS).toBeLessThan(64);
});

test("a stream that weir.yaml makes smaller shrinks on a small disk, too", () => {
  const all = sizes(
    demands({ READINGS: { wantedBytes: 32 * MIB, givenBytes: 100 * MIB } }, { givenBytes: 16 * MIB }),
    300,
  );
  expect(all.READINGS).toBeLessThanOrEqual(32);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DeviceLedger } from "../common/device-ledger.ts";
import { type KnownDevice, KnownSeries } from "./known-series.ts";

const DAY_US = 86_400e6;
const LIMITS = {
  series_max: 1_000,
  series_per_device_max: 100,
  devices_max: 200,
  devices_per_user_max: 1_000,
  forget_after: 30 * DAY_US,
};

function start(over: Partial<typeof LIMITS> = {}) {
  const ledger = new DeviceLedger(1_000);
  const known = new KnownSeries({ ...LIMITS, ...over }, ledger);
  const device = (name: string, sender: string, atUs = 0, tags = {}) =>
    known.device({ device: name, tags }, sender, atUs);
  /** How many of this many new devices, with one metric each, are accepted. */
  function accepted(sender: string, count: number, atUs = 0): number {
    let accepted = 0;
    for (let i = 0; i < count; i++) {
      const one = device(`${sender}-${i}`, sender, atUs);
      if (!("reason" in one) && !("reason" in known.series(one, "m", atUs))) accepted++;
    }
    return accepted;
  }
  return { ledger, known, device, accepted };
}

function admitted(one: KnownDevice | { readonly reason: string }): KnownDevice {
  if ("reason" in one) throw new Error(one.reason);
  return one;
}

describe("one sender that invents names", () => {
  test("gets half of all devices, and the next ones half of the rest", () => {
    const { accepted, known } = start();
    expect(accepted("a", 5_000)).toBe(100);
    expect(accepted("b", 5_000)).toBe(50);
    expect(accepted("c", 5_000)).toBe(25);
    expect(accepted("honest", 5)).toBe(5);
    expect(known.size.devices).toBe(180);
  });

  test("gets as many devices as one user may have", () => {
    const { accepted, device } = start({ devices_per_user_max: 30 });
    expect(accepted("a", 5_000)).toBe(30);
    expect(device("one more", "a")).toEqual({
      reason: "too-many-devices",
      detail: `"a" has 30 devices, as many as ingest.limits.devices_per_user_max allows`,
    });
  });

  test("gets as many metrics as a device may have, for each of its combinations of tags", () => {
    const { known, device } = start();
    for (const site of ["north", "south"]) {
      const one = admitted(device("d", "a", 0, { site }));
      const results = Array.from({ length: 150 }, (_, i) => known.series(one, `m${i}`, 0));
      expect(results.filter((each) => "reason" in each)).toHaveLength(50);
      expect(results.at(-1)).toEqual({
        reason: "too-many-series",
        detail: `device "d" has 100 metrics, as many as ingest.limits.series_per_device_max allows`,
      });
      // Those it has may go on.
      expect(known.series(one, "m0", 0)).toBe(results[0]);
    }
  });

  test("gets half of all series, whatever the number of its devices", () => {
    const { known, device } = start();
    let accepted = 0;
    for (let d = 0; d < 50; d++) {
      const one = admitted(device(`d${d}`, "a"));
      for (let m = 0; m < 100; m++) if (!("reason" in known.series(one, `m${m}`, 0))) accepted++;
    }
    expect(accepted).toBe(500);
    const honest = admitted(device("honest", "b"));
    for (let m = 0; m < 100; m++) expect(known.series(honest, `m${m}`, 0)).not.toHaveProperty("reason");
  });

  test("cannot fill the memory with long names", () => {
    const { device, known } = start({ devices_max: 100_000_000, devices_per_user_max: 100_000_000 });
    const long = "x".repeat(1_000_000);
    let result: ReturnType<typeof device> | undefined;
    for (let i = 0; i < 200; i++) result = device(`${long}${i}`, "a");
    expect(result).toMatchObject({ reason: "too-many-devices" });
    expect(known.size.devices).toBe(67);
    expect(device("honest", "b")).not.toHaveProperty("reason");
  });
});

describe("what sends nothing for a while", () => {
  test("is forgotten, and makes room", () => {
    const { accepted, known, device } = start();
    const honest = admitted(device("honest", "b"));
    expect(accepted("a", 5_000)).toBe(100);
    // The honest device goes on sending; the invented ones do not.
    const laterUs = LIMITS.forget_after + DAY_US;
    for (let atUs = 0; atUs < laterUs; atUs += DAY_US) honest.seenAtUs = atUs;
    expect(accepted("c", 5_000, laterUs)).toBeGreaterThanOrEqual(95);
    expect(honest.isForgotten).toBe(false);
    expect(device("honest", "b", laterUs)).toBe(honest);
    expect(known.size.devices).toBeLessThan(110);
  });

  test("is forgotten with its counts, which remain in the sum", () => {
    const { ledger, device, accepted } = start();
    const gone = admitted(device("gone", "a"));
    gone.counts.messages = 7;
    gone.counts.stored = 7;
    accepted("b", 300, LIMITS.forget_after + DAY_US);
    expect(gone.isForgotten).toBe(true);
    const entries = ledger.entries();
    expect(entries.find((entry) => entry.device === "gone")).toBeUndefined();
    expect(entries.find((entry) => entry.device === "(others)")?.counts).toMatchObject({ messages: 7, stored: 7 });
  });
});

test("whatever happens in whatever order, no limit is exceeded, and each new sender gets something", () => {
  const step = fc.record({
    sender: fc.constantFrom("a", "b", "c"),
    device: fc.nat({ max: 60 }),
    metric: fc.nat({ max: 12 }),
    waitUs: fc.constantFrom(0, 0, 0, 10, 40),
  });
  const limits = {
    series_max: 40,
    series_per_device_max: 8,
    devices_max: 20,
    devices_per_user_max: 9,
    forget_after: 50,
  };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const { known, device } = start(limits);
      let atUs = 0;
      for (const { sender, device: n, metric, waitUs } of steps) {
        atUs += waitUs;
        const one = device(`d${n}`, sender, atUs);
        if (!("reason" in one)) known.series(one, `m${metric}`, atUs);
        expect(known.size.devices).toBeLessThan(limits.devices_max);
        expect(known.size.series).toBeLessThan(limits.series_max);
      }
      const fresh = admitted(device("fresh", "fresh", atUs));
      expect(known.series(fresh, "m", atUs)).not.toHaveProperty("reason");
    }),
  );
});

import { expect, it } from "vitest";
import type { Reading } from "../../domain/reading.ts";
import { alertChange, at, T0 } from "./batches.ts";
import type { Given } from "./given.ts";

/** How every store writes readings and alerts; part of the store contract, on the same store. */
export function describeWriterContract(given: Given): void {
  it("starts without positions", async () => {
    expect((await given.writer().position("READINGS")).sequence).toBe(0);
    expect((await given.writer().position("ALERTS")).sequence).toBe(0);
  });

  it("stores numbers, booleans and texts unchanged", async () => {
    const readings: Reading[] = [
      { device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 1, value: 21.5 },
      { device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 2, value: -0.1 },
      { device: "d1", metric: "n", tags: {}, atUs: T0 + 2, value: 1e21 },
      { device: "d1", metric: "n", tags: {}, atUs: T0 + 3, value: 5e-324 },
      { device: "d1", metric: "on", tags: {}, atUs: T0 + 3, value: true },
      { device: "d1", metric: "on", tags: {}, atUs: T0 + 4, value: false },
      { device: "d1", metric: "mode", tags: {}, atUs: T0 + 5, value: 'he said "a\\b", \n twice' },
      { device: "d1", metric: "mode", tags: {}, atUs: T0 + 6, value: "" },
    ];
    const report = await given.write(readings);
    expect(report).toEqual({ points: 8, duplicates: 0, deadLetters: 0, dropped: 0 });
    expect(sorted(await given.oracle.readings("d1"))).toEqual(sorted(readings));
  });

  it("stores a reading once, however often it arrives and in whatever order", async () => {
    const one = (atUs: number) => ({ device: "dup", metric: "t", tags: {}, atUs: T0 + atUs, value: atUs }) as Reading;
    await given.write([one(10), one(20), one(20), one(5), one(5)]);
    await given.write([one(10), one(30), one(5), one(7)]);
    await given.write([one(30), one(20), one(7), one(1), one(40)]);
    const kept = sorted(await given.oracle.readings("dup"));
    expect(kept.map(({ atUs }) => atUs - T0)).toEqual([1, 5, 7, 10, 20, 30, 40]);
    expect(kept.map(({ value }) => value)).toEqual([1, 5, 7, 10, 20, 30, 40]);
  });

  it("keeps several kinds of one metric apart", async () => {
    const mixed: Reading[] = [
      { device: "mixed", metric: "v", tags: {}, atUs: T0 + 1, value: 1 },
      { device: "mixed", metric: "v", tags: {}, atUs: T0 + 2, value: true },
      { device: "mixed", metric: "v", tags: {}, atUs: T0 + 3, value: "one" },
      { device: "mixed", metric: "v", tags: { site: "south" }, atUs: T0 + 4, value: 2 },
    ];
    await given.write(mixed);
    expect(sorted(await given.oracle.readings("mixed"))).toEqual(mixed);
  });

  it("keeps the readings of two people's phones apart, although both send in the same second", async () => {
    const phone = (user: string, value: number): Reading => {
      return { device: "phone", metric: "batt", tags: { user }, atUs: T0, value };
    };
    const both = [phone("anna", 81), phone("bert", 34)];
    const report = await given.write(both);
    expect(report).toMatchObject({ points: 2, duplicates: 0 });
    expect(sorted(await given.oracle.readings("phone"))).toEqual(sorted(both));
    // Each of them is a duplicate when it comes again.
    await given.write([both[1] as Reading, { ...(both[0] as Reading), atUs: T0 + 1 }]);
    expect(await given.oracle.readings("phone")).toHaveLength(3);
  });

  it("keeps the three phases of a meter apart, whatever the order of their tags and arrival", async () => {
    const power = (phase: string, atUs: number, value: number): Reading => {
      const tags = atUs % 2 === 0 ? { phase, site: "north" } : { site: "north", phase };
      return { device: "meter", metric: "power", tags, atUs: T0 + atUs, value };
    };
    const phases = ["L1", "L2", "L3"].flatMap((phase, i) => [4, 1, 3, 2].map((at) => power(phase, at, i * 10 + at)));
    await given.write(phases.slice(0, 7));
    await given.write([...phases.slice(5), ...phases.slice(0, 3)]);
    const order = (readings: readonly Reading[]) =>
      readings
        .map(({ tags, atUs, value }) => [tags.phase, tags.site, atUs - T0, value])
        .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    expect(order(await given.oracle.readings("meter"))).toEqual(order(phases));
  });

  it("remembers positions and readings when reopened", async () => {
    const before = await Promise.all(
      (["READINGS", "WINDOWS", "ALERTS"] as const).map((s) => given.writer().position(s)),
    );
    await given.write([{ device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 100, value: 1 }]);
    await given.reopen();
    expect(await given.writer().position("READINGS")).toEqual(at(given.sequence()));
    expect(await given.writer().position("ALERTS")).toEqual(before[2]);
    await given.write([
      { device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 100, value: 1 },
      { device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 101, value: 2 },
      { device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 1, value: 21.5 },
    ]);
    const kept = (await given.oracle.readings("d1")).filter(({ metric }) => metric === "t");
    expect(kept.map(({ atUs }) => atUs - T0).sort((a, b) => a - b)).toEqual([1, 2, 100, 101]);
  });

  it("stores alert changes once by id", async () => {
    // At instants that no other test queries.
    const common = { rule: "written", atUs: T0 + 60_000_000 };
    const first = alertChange({ ...common, id: "w1" });
    const second = alertChange({
      ...common,
      id: "w2",
      from: "firing",
      state: "resolved",
      atUs: T0 + 61_000_000,
      value: 7,
    });
    const evidence = { ...first.evidence, aggregate: "last", value: "open" };
    const text = alertChange({ ...common, id: "w3", incident: "i2", value: "open", evidence });
    await given.writeAlerts([first, second]);
    await given.writeAlerts([first, text, first]);
    const kept = [...(await given.oracle.alerts("written"))].sort((a, b) => (a.id < b.id ? -1 : 1));
    expect(kept).toEqual([first, second, text]);
  });
}

function sorted(readings: readonly Reading[]): Reading[] {
  return [...readings].sort((a, b) => a.metric.localeCompare(b.metric) || a.atUs - b.atUs);
}

import { describe, expect, it } from "vitest";
import type { WindowResult } from "../../domain/window-result.ts";
import type { WriteReport } from "../common/store.ts";

const T0 = 1_763_769_600_000_000;

/** How every store writes windows; part of the store contract, on the same store. */
export function describeWindowsContract(given: {
  /** Writes the next message of the log. */
  write(windows: readonly WindowResult[]): Promise<WriteReport>;
  /** Writes an earlier message of the log again. */
  rewrite(windows: readonly WindowResult[], sequence: number): Promise<WriteReport>;
  /** Read without the store's own code. */
  windows(rule: string): Promise<readonly WindowResult[]>;
  /** Of the last message. */
  sequence(): number;
  reopen(): Promise<void>;
}): void {
  const windowsOf = async (rule: string) => {
    const order = ({ startUs, labels }: WindowResult) => `${startUs} ${JSON.stringify(labels)}`;
    return [...(await given.windows(rule))].sort((a, b) => (order(a) < order(b) ? -1 : 1));
  };

  describe("windows", () => {
    it("lets a later revision replace an earlier one, whatever their order", async () => {
      const window = (startS: number, revision: number, avg: number): WindowResult => ({
        rule: "r1",
        labels: { device: "d1", site: "north" },
        startUs: T0 + startS * 1_000_000,
        endUs: T0 + (startS + 60) * 1_000_000,
        revision,
        aggregates: { avg, count: 3 },
      });
      const batches = [
        [window(0, 0, 1), window(60, 0, 2)],
        [window(0, 1, 1.5), window(120, 0, 3), window(0, 2, 1.75)],
        [window(60, 1, 2.5), window(180, 0, 4), window(180, 1, 4.5)],
      ];
      for (const windows of batches) await given.write(windows);
      const kept = await windowsOf("r1");
      expect(kept).toEqual([window(0, 2, 1.75), window(60, 1, 2.5), window(120, 0, 3), window(180, 1, 4.5)]);
      // Writing it again changes nothing.
      await given.write(batches[2] ?? []);
      expect(await windowsOf("r1")).toHaveLength(4);
    });

    it("stores windows without values, with many aggregates, and of any session length", async () => {
      const windows: WindowResult[] = [
        {
          rule: "r2",
          labels: { device: "a" },
          startUs: T0,
          endUs: T0 + 7,
          revision: 0,
          aggregates: { p95: 1, p99: 2, revision: 3 },
        },
        { rule: "r2", labels: { device: "a" }, startUs: T0 + 7, endUs: T0 + 9, revision: 4, aggregates: { p95: 1.5 } },
      ];
      await given.write(windows);
      expect(await windowsOf("r2")).toEqual(windows);
    });

    it("stores texts and numbers of one window, and omits aggregates without value", async () => {
      const window = { rule: "texts", labels: { device: "valve" }, startUs: T0, endUs: T0 + 60, revision: 0 };
      const open = { ...window, aggregates: { last: 'half "open"\\ \n', count: 2, rate: Number.NaN } };
      const closed = { ...window, startUs: T0 + 60, endUs: T0 + 120, aggregates: { last: "", count: 1 } };
      const empty = { ...window, startUs: T0 + 120, endUs: T0 + 180, aggregates: { rate: Number.NaN } };
      const report = await given.write([open, closed, empty]);
      expect(report).toEqual({ points: 3, duplicates: 0, deadLetters: 0, dropped: 0 });
      expect(await windowsOf("texts")).toEqual([
        { ...open, aggregates: { last: open.aggregates.last, count: 2 } },
        closed,
        { ...empty, aggregates: {} },
      ]);
      const corrected = { ...open, revision: 1, aggregates: { last: "shut", count: 3, rate: 0.5 } };
      await given.write([corrected]);
      expect((await windowsOf("texts"))[0]).toEqual(corrected);
    });

    const session = (rule: string, [startS, endS]: readonly [number, number], revision: number): WindowResult => ({
      rule,
      labels: { site: "north" },
      startUs: T0 + startS * 1_000_000,
      endUs: T0 + endS * 1_000_000,
      revision,
      aggregates: startS === endS ? {} : { count: endS - startS, last: `until ${endS}` },
    });

    it("replaces a session that grows, and removes one that was merged into another", async () => {
      const growing = (place: readonly [number, number], revision: number) => session("grows", place, revision);
      await given.write([growing([0, 10], 0), growing([20, 30], 0), growing([50, 60], 0)]);
      await given.write([growing([0, 12], 1), growing([50, 65], 1), growing([50, 70], 2)]);
      expect(await windowsOf("grows")).toEqual([growing([0, 12], 1), growing([20, 30], 0), growing([50, 70], 2)]);
      // A reading between the first two joins them.
      await given.write([growing([20, 20], 1), growing([0, 30], 2)]);
      expect(await windowsOf("grows")).toEqual([growing([0, 30], 2), growing([50, 70], 2)]);
      // A reading before the last session moves its start; all in one batch, with a retraction of an unknown session.
      const moved = [growing([90, 99], 0), growing([50, 50], 3), growing([90, 90], 1), growing([45, 70], 0)];
      await given.write([...moved, growing([85, 99], 0), growing([200, 200], 1)]);
      const kept = [growing([0, 30], 2), growing([45, 70], 0), growing([85, 99], 0)];
      expect(await windowsOf("grows")).toEqual(kept);
      // A start may reappear.
      await given.write([growing([50, 55], 4)]);
      expect(await windowsOf("grows")).toEqual([kept[0], kept[1], growing([50, 55], 4), kept[2]]);
    });

    it("reaches the same state when the log is written again from an earlier position, even after a restart", async () => {
      const result = (place: readonly [number, number], revision: number) => session("again", place, revision);
      const log = [
        [result([0, 10], 0), result([20, 30], 0)],
        [result([0, 15], 1), result([40, 50], 0), result([40, 55], 1)],
        [result([20, 20], 1), result([0, 30], 2)],
        [result([40, 40], 2), result([0, 55], 3), result([60, 70], 0)],
        [result([60, 75], 1), result([80, 90], 0)],
      ];
      const end = [result([0, 55], 3), result([60, 75], 1), result([80, 90], 0)];
      const first = given.sequence();
      const play = async (from: number) => {
        for (const [i, windows] of log.entries()) {
          if (i >= from) await given.rewrite(windows, first + 1 + i);
        }
        expect(await windowsOf("again")).toEqual(end);
      };
      for (const from of [0, 3, 1, 0]) await play(from);
      for (const from of [4, 2, 0]) {
        await given.reopen();
        await play(from);
      }
    });

    it("distinguishes windows of groups without device, with other labels or none", async () => {
      const groups = [{}, { site: "north" }, { site: "north", line: "1" }, { line: "1" }, { device: "d1" }];
      const windows = groups.map((labels, i): WindowResult => {
        return { rule: "groups", labels, startUs: T0, endUs: T0 + 60, revision: 0, aggregates: { avg: i } };
      });
      await given.write(windows);
      // Retracting one leaves the others.
      const retraction = {
        rule: "groups",
        labels: { site: "north" },
        startUs: T0,
        endUs: T0,
        revision: 1,
        aggregates: {},
      };
      await given.write([retraction]);
      const kept = (await windowsOf("groups")).map(({ labels, aggregates }) => ({ ...labels, ...aggregates }));
      expect(kept.sort((a, b) => Number(a.avg) - Number(b.avg))).toEqual([
        { avg: 0 },
        { line: "1", site: "north", avg: 2 },
        { line: "1", avg: 3 },
        { device: "d1", avg: 4 },
      ]);
    });

    it("stores a sliding window for each of many starts, and corrects those that contain a late reading", async () => {
      const sliding = (n: number, revision: number): WindowResult => ({
        rule: "slides",
        labels: { device: "d1", metric: "t" },
        startUs: T0 + n * 7,
        endUs: T0 + n * 7 + 1_000,
        revision,
        aggregates: { avg: n + revision / 4 },
      });
      const all = Array.from({ length: 3_000 }, (_, n) => sliding(n, 0));
      await given.write(all.slice(0, 2_000));
      const corrected = Array.from({ length: 140 }, (_, i) => sliding(1_900 + i, 1));
      await given.write([...all.slice(2_000), ...corrected]);
      const expected = all.map((window, n) => corrected[n - 1_900] ?? window);
      expect(await windowsOf("slides")).toEqual(expected);
    });
  });
}

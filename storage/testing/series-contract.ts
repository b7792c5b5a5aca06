import { describe, expect, it } from "vitest";
import type { SeriesAnswer, SeriesFound, StateRun, StatesFound } from "../../contracts/history.ts";
import type { Reading, ReadingValue, Tags } from "../../domain/reading.ts";
import type { StoreHistory } from "../common/store.ts";
import { T0 } from "./batches.ts";
import type { Given } from "./given.ts";

type Answered<Found extends { kind: string }> = Extract<Found, { kind: "found" }>;

/** How every store with a history tells series apart; part of the store contract, on the same store. */
export function describeSeriesContract(given: Given & { history(): StoreHistory }): void {
  const span = { fromUs: T0, toUs: T0 + 1_000, pointsMax: 1 };

  describe("series that differ in their tags", () => {
    const tags: readonly Tags[] = [{}, { user: "anna" }, { user: "bert" }, { site: "a b", user: "bert" }];
    const at = (metric: string, i: number, value: ReadingValue): Reading => {
      return { device: "walkman", metric, tags: tags[i] ?? {}, atUs: T0 + 1, value };
    };

    it("have a history each, by exactly their tags", async () => {
      await given.write(tags.map((_, i) => at("volume", i, i)));
      for (const [i, own] of tags.entries()) {
        const answer = await given.history().series({ device: "walkman", metric: "volume", tags: own, ...span });
        expect(found(answer)).toMatchObject({ tags: own, buckets: { avg: [i], count: [1] } });
      }
      for (const other of [{ user: "cleo" }, { site: "a b" }, { user: "bert", site: "a b", room: "1" }]) {
        const answer = await given.history().series({ device: "walkman", metric: "volume", tags: other, ...span });
        expect(found(answer).buckets.count).toEqual([]);
      }
    });

    it("are listed when the question leaves the tags out, in any span", async () => {
      for (const fromUs of [T0, T0 + 500]) {
        const query = { device: "walkman", metric: "volume", ...span, fromUs };
        expect(sorted(await given.history().series(query))).toEqual({
          kind: "ambiguous",
          candidates: [{ site: "a b", user: "bert" }, { user: "anna" }, { user: "bert" }, {}],
          complete: true,
        });
        const states = { device: "walkman", metric: "volume", fromUs, toUs: T0 + 1_000, limit: 5 };
        expect((await given.history().states(states)).kind).toBe("ambiguous");
      }
    });

    it("need no tags in the question when there is only one", async () => {
      await given.write([at("alone", 3, 7), { ...at("alone", 3, true), atUs: T0 + 2 }]);
      const answer = await given.history().series({ device: "walkman", metric: "alone", ...span });
      expect(found(answer)).toMatchObject({ tags: tags[3], buckets: { min: [1], max: [7], count: [2] } });
      const unknown = await given.history().series({ device: "walkman", metric: "unheard-of", ...span });
      expect(found(unknown)).toMatchObject({ tags: {}, buckets: { count: [] } });
    });

    it("are listed up to a limit", async () => {
      const many = Array.from({ length: 70 }, (_, i) => ({ ...at("many", 0, i), tags: { seat: `${i}` } }));
      await given.write(many);
      const answer = await given.history().series({ device: "walkman", metric: "many", ...span });
      expect(answer).toMatchObject({ kind: "ambiguous", complete: false });
      expect(answer.kind === "ambiguous" && answer.candidates).toHaveLength(50);
    });
  });

  describe("states", () => {
    it("are the runs that a brute-force count finds, the newest if there are too many", async () => {
      const base = T0 + 10_800_000_000;
      const values = [true, true, false, "", "open", "open", "shut", 1, true, 1, 'half "open" ü\n'];
      const readings = Array.from({ length: 400 }, (_, i): Reading => {
        const value = values[(i * i) % 11 < 6 ? (i >> 2) % 4 : (i * 7) % 11] ?? 0;
        return { device: "door", metric: "state", tags: { site: "north" }, atUs: base + i * 10, value };
      });
      await given.write(readings);
      // Another series of the device, which must not matter.
      await given.write(readings.map((reading) => ({ ...reading, tags: {}, value: "other" })));
      for (const [from, to, limit] of [
        [0, 4_000, 10_000],
        [0, 4_000, 1],
        [995, 3_001, 25],
        [1_000, 1_001, 5],
        [4_000, 5_000, 5],
        [-100, 10, 5],
      ] as const) {
        const query = { fromUs: base + from, toUs: base + to, limit };
        const answer = await given
          .history()
          .states({ device: "door", metric: "state", tags: { site: "north" }, ...query });
        const runs = runsOf(readings.filter(({ atUs }) => atUs >= query.fromUs && atUs < query.toUs));
        const earlier = readings.filter(({ atUs }) => atUs < query.fromUs).at(-1);
        expect(found(answer)).toEqual({
          kind: "found",
          tags: { site: "north" },
          runs: runs.slice(-limit),
          complete: runs.length <= limit,
          before: earlier === undefined ? null : { atUs: earlier.atUs, value: earlier.value },
        });
      }
    });

    it("of an unknown series are none", async () => {
      const query = { device: "o'no\\", metric: "'; drop", fromUs: T0, toUs: T0 + 1, limit: 5 };
      expect(await given.history().states(query)).toEqual({
        kind: "found",
        tags: {},
        runs: [],
        complete: true,
        before: null,
      });
    });
  });
}

function runsOf(readings: readonly Reading[]): StateRun[] {
  const runs: StateRun[] = [];
  for (const { atUs, value } of readings) {
    const run = runs.at(-1);
    if (run !== undefined && run.value === value) runs[runs.length - 1] = { ...run, lastUs: atUs };
    else runs.push({ fromUs: atUs, lastUs: atUs, value });
  }
  return runs;
}

function found<Found extends SeriesFound | StatesFound>(answer: Found): Answered<Found> {
  if (answer.kind === "found") return answer as Answered<Found>;
  throw new Error(`several series: ${JSON.stringify(answer.candidates)}`);
}

/** Stores list candidates in the order of their JSON. */
function sorted(answer: SeriesFound): SeriesFound {
  if (answer.kind === "found") return answer;
  const text = (tags: Tags) => JSON.stringify(tags);
  return { ...answer, candidates: [...answer.candidates].sort((a, b) => (text(a) < text(b) ? -1 : 1)) };
}

export function bucketsOf(answer: SeriesFound): SeriesAnswer {
  return found(answer).buckets;
}

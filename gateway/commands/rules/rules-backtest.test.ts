import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AlertChange } from "../../../domain/alert.ts";
import { type Influxd, startInfluxd } from "../../../test/servers/influxd.ts";
import {
  BOOLEANS,
  type LiveRun,
  ORDERED,
  playLive,
  SECOND_US,
  START_US,
  TIDY,
  tidyReadings,
} from "../../testing/backtest-kit.ts";

const tidy = tidyReadings();
let live: LiveRun;

beforeAll(async () => {
  live = await playLive(tidy);
}, 180_000);

afterAll(() => live?.stop());

async function changes(file: string, ...args: readonly string[]): Promise<readonly AlertChange[]> {
  const text = await live.rules("backtest", join(live.folder, file), "--format", "changes", ...args);
  return text.split("\n").flatMap((line): AlertChange[] => (line === "" ? [] : [JSON.parse(line)]));
}

function changesOf(...files: readonly string[]): readonly AlertChange[] {
  const ids = new Set(files.flatMap((text) => [...text.matchAll(/id: (\w+)/g)].map(([, id]) => id)));
  return live.published.filter(({ rule }) => ids.has(rule));
}

/** In everything except the time of the computation and the log entry that caused it. */
function essence(all: readonly AlertChange[]): readonly string[] {
  return all
    .map(({ incident, rule, key, from, state, atUs, activeAtUs, value, severity, labels, annotations, evidence }) => {
      const said = { incident, rule, key: Object.entries(key).sort(), from, state, atUs, activeAtUs, value, severity };
      const { input: _, ...seen } = evidence;
      return JSON.stringify({ ...said, labels: Object.entries(labels).sort(), annotations, seen });
    })
    .sort();
}

function withoutWatermarks(all: readonly AlertChange[]): readonly string[] {
  return essence(all).map((text) => text.replace(/,"watermarkUs":-?\d+/, ""));
}

/** In everything. */
function whole(all: readonly AlertChange[]): readonly string[] {
  return all
    .map(({ evidence, ...change }) => {
      const { partition, sequence } = evidence.input;
      return JSON.stringify({ ...change, evidence: { ...evidence, input: { partition, sequence } } });
    })
    .sort();
}

/** Shows some of the differences. */
function expectSame(again: readonly string[], wanted: readonly string[]): void {
  const missing = wanted.filter((one) => !again.includes(one)).slice(0, 3);
  const extra = again.filter((one) => !wanted.includes(one)).slice(0, 3);
  expect({ missing, extra, count: again.length }).toEqual({ missing: [], extra: [], count: wanted.length });
}

test("the run contains the cases that it tests", () => {
  const count = (id: string) => live.published.filter(({ rule }) => rule === id).length;
  for (const [id] of [...`${TIDY}${BOOLEANS}${ORDERED}`.matchAll(/(?<=id: )\w+/g)]) {
    expect({ id, changes: count(id) > 1 }).toEqual({ id, changes: true });
  }
});

test("over the log, everything equals the published alerts: late, repeated, absent, and over several devices", async () => {
  expectSame(whole(await changes("rules", "--over", "log")), whole(live.published));
});

describe("over the stored readings, alerts that do not depend on arrival equal the published ones", () => {
  const files = [TIDY, BOOLEANS];
  const again = async (...over: readonly string[]) => [
    ...(await changes("tidy.yaml", "--over", ...over, "--arrival", "at-once")),
    ...(await changes("booleans.yaml", "--over", ...over, "--arrival", "at-once")),
  ];

  test("DuckDB: through the running gateway, and from its file", async () => {
    const stop = await live.store();
    const file = join(live.folder, "history.duckdb");
    try {
      expectSame(essence(await again("store")), essence(changesOf(...files)));
    } finally {
      await stop();
    }
    expectSame(essence(await again(file)), essence(changesOf(...files)));
  });

  describe("InfluxDB", () => {
    let influxd: Influxd;
    beforeAll(async () => {
      influxd = await startInfluxd();
    });
    afterAll(() => influxd?.stop());

    test("through the running gateway, and directly", async () => {
      const { url, token, org, bucket } = influxd;
      const stop = await live.store({ stores: [{ influxdb: { url, token, org, bucket } }] });
      try {
        expectSame(essence(await again("store")), essence(changesOf(...files)));
      } finally {
        await stop();
      }
      const flags = ["--influx-url", url, "--influx-token", token, "--influx-org", org, "--influx-bucket", bucket];
      expectSame(essence(await again("influx", ...flags)), essence(changesOf(...files)));
      const fromUs = START_US + 600 * SECOND_US;
      const from = new Date(fromUs / 1000).toISOString();
      const part = await changes("tidy.yaml", "--over", "influx", ...flags, "--arrival", "at-once", "--from", from);
      expect(part.length).toBeGreaterThan(10);
      expect(part.every(({ evidence }) => evidence.window.endUs > fromUs)).toBe(true);
      await expect(again("influx", ...flags, "--influx-bucket", "none")).rejects.toThrow(
        /InfluxDB at .*, bucket none: /,
      );
      await expect(again("influx", ...flags.slice(2))).rejects.toThrow(
        "--over influx needs --influx-url (WEIR_INFLUX_URL)",
      );
    });
  });

  test("a CSV file", async () => {
    const csv = join(live.folder, "tidy.csv");
    const lines = new Map<string, { m?: unknown; door?: unknown }>();
    for (const { device, metric, atUs, value } of tidy) {
      if (metric !== "on") lines.set(`${device},${atUs}`, { ...lines.get(`${device},${atUs}`), [metric]: value });
    }
    const rows = [...lines].map(([name, { m = "", door = "" }]) => `${name},${m},${door}`);
    await writeFile(csv, ["device,time,m,door", ...rows, ""].join("\n"));
    const columns = join(live.folder, "columns.yaml");
    await writeFile(columns, "columns: { time: { column: time, unit: us }, device: { column: device } }\n");
    const atOnce = await changes("tidy.yaml", "--over", csv, "--columns", columns, "--arrival", "at-once");
    expectSame(essence(atOnce), essence(changesOf(TIDY)));
    // As observed, the windows of devices that go silent first are closed, too; idleness fills windows, and moves no
    // watermark.
    const observed = withoutWatermarks(await changes("tidy.yaml", "--over", csv, "--columns", columns));
    expect(withoutWatermarks(changesOf(TIDY)).filter((change) => !observed.includes(change))).toEqual([]);
  });
});

test("a CSV file with a column of tags: each phase of a meter is a series of its own", async () => {
  const csv = join(live.folder, "meter.csv");
  const rows = [0, 1, 2, 3].flatMap((i) =>
    [
      [i, "L1", 5],
      [i, "L2", 6],
      [i, "L3", i === 1 ? 40 : 7],
    ].map(String),
  );
  await writeFile(csv, ["second,phase,power", ...rows, ""].join("\n"));
  const columns = join(live.folder, "phases.yaml");
  await writeFile(columns, "columns: { time: { column: second, unit: s }, tags: [phase] }\n");
  const hot =
    'rules: [{ id: hot, where: { metric: power }, window: { tumbling: 1s }, aggregate: avg, when: "> 30" }]\n';
  await writeFile(join(live.folder, "hot.yaml"), hot);
  const found = await changes("hot.yaml", "--over", csv, "--columns", columns, "--site", "north");
  expect(found.map(({ key, state, value }) => ({ ...key, state, value }))).toEqual([
    { device: "meter", metric: "power", phase: "L3", site: "north", state: "firing", value: 40 },
    { device: "meter", metric: "power", phase: "L3", site: "north", state: "resolved", value: 7 },
  ]);
});

test("rules over devices: from the groups log if the gateway had such rules, else in the order in which the log stored the readings", async () => {
  const report = async (rule: string) => {
    await writeFile(join(live.folder, "candidate.yaml"), `rules:\n  - ${rule}\n`);
    return JSON.parse(await live.rules("backtest", join(live.folder, "candidate.yaml"), "--format", "json"));
  };
  // With another limit, window and lateness, the same readings are forwarded.
  const forwarded = await report(
    `{ id: other, where: { metric: x }, group_by: [site], window: { tumbling: 40s }, aggregate: max, when: "> 90" }`,
  );
  expect(forwarded.warnings).toEqual([]);
  expect(forwarded.alerts.length).toBe(2);
  const merged = await report(
    `{ id: other, where: { metric: m }, group_by: [site], window: { tumbling: 40s }, aggregate: max, when: "> 90" }`,
  );
  expect(merged.warnings).toEqual([expect.stringContaining("other: the gateway did not always have a rule")]);
  expect(merged.alerts.length).toBe(1);
});

test("weir rules diff: the alerts of a shadow, checked against averages of the readings", async () => {
  const report = JSON.parse(
    await live.rules("diff", "base", "shadow", "--since", "2026-01-01T00:00:00Z", "--format", "json"),
  );
  expect(report.totals).toMatchObject(expectedDiff({ base: 60, shadow: 66 }));
  for (const { key, firings } of report.alerts) {
    for (const { before, after } of firings) {
      for (const [limit, firing] of [
        [60, before],
        [66, after],
      ] as const) {
        if (firing) expect(runs(key.device, limit)).toContainEqual([firing.fromUs, firing.isOpen ? null : firing.toUs]);
      }
    }
  }
  const { totals, alerts } = report;
  expect(totals.moved).toBeGreaterThan(0);
  expect(totals.lost).toBeGreaterThan(0);
  expect(
    alerts.every(({ rule, ruleBefore }: Record<string, string>) => rule === "shadow" && ruleBefore === "base"),
  ).toBe(true);
  expect(await live.rules("diff", "base", "shadow", "--since", "2026-01-01T00:00:00Z")).toContain(
    `shadow: ${totals.gained} gained, ${totals.lost} lost, ${totals.moved} moved, ${totals.same} the same`,
  );
  expect(JSON.parse(await live.rules("diff", "base", "shadow", "--since", "1d", "--format", "json")).totals.lost).toBe(
    0,
  );
});

/**
 * Spans in which the average of ten seconds is above a limit, computed by hand: `[from, to]`, without an end when it
 * still fires.
 */
function runs(device: string, limit: number): (readonly [number, number | null])[] {
  const byEnd = new Map<number, number[]>();
  for (const { device: name, metric, atUs, value } of tidy) {
    if (name !== device || metric !== "m") continue;
    const endUs = Math.floor(atUs / 1e7) * 1e7 + 1e7;
    byEnd.set(endUs, [...(byEnd.get(endUs) ?? []), Number(value)]);
  }
  const found: (readonly [number, number | null])[] = [];
  let fromUs: number | undefined;
  // No reading after the last window closes it.
  for (const [endUs, values] of [...byEnd].slice(0, -1)) {
    const isHigh = values.reduce((sum, value) => sum + value, 0) / values.length > limit;
    if (isHigh) fromUs ??= endUs;
    else if (fromUs !== undefined) {
      found.push([fromUs, endUs]);
      fromUs = undefined;
    }
  }
  if (fromUs !== undefined) found.push([fromUs, null]);
  return found;
}

/** Each firing above the higher limit lies in one above the lower limit; the first one in it is its partner. */
function expectedDiff(limits: { readonly base: number; readonly shadow: number }) {
  const totals = { same: 0, moved: 0, gained: 0, lost: 0, before: 0, after: 0 };
  for (const device of ["d1", "d2", "d3", "d4"]) {
    const after = runs(device, limits.shadow);
    totals.after += after.length;
    for (const [fromUs, toUs] of runs(device, limits.base)) {
      totals.before++;
      const within = after.filter(([start]) => start >= fromUs && (toUs === null || start < toUs));
      const [first] = within;
      if (first === undefined) totals.lost++;
      else totals[first[0] === fromUs && first[1] === toUs ? "same" : "moved"]++;
      totals.gained += Math.max(0, within.length - 1);
    }
  }
  return totals;
}

test("impossible requests are errors that say how to fix them", async () => {
  const candidate = join(live.folder, "tidy.yaml");
  await expect(live.rules("backtest", candidate, "--over", "log", "--arrival", "observed")).rejects.toThrow(
    "which knows when its readings arrived",
  );
  await expect(live.rules("backtest", candidate, "--over", "log", "store")).rejects.toThrow(
    "log cannot be combined with other sources",
  );
  await expect(live.rules("backtest", candidate, "--over", "store")).rejects.toThrow("no storage service answers");
  await expect(live.rules("backtest", candidate, "--over", join(live.folder, "none.duckdb"))).rejects.toThrow(
    "no such file",
  );
  await writeFile(join(live.folder, "text.duckdb"), "not a database");
  await expect(live.rules("backtest", candidate, "--over", join(live.folder, "text.duckdb"))).rejects.toThrow(
    "cannot be read",
  );
});

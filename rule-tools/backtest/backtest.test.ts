import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { SeriesTable } from "../../domain/frame-reader.ts";
import { rule } from "../../engine/testing/step-kit.ts";
import { type RuleSpec, ruleFileSchema } from "../../rule-language/spec/rule-spec.ts";
import { beijingAirReplay } from "../../simulators/beijing-air.ts";
import { mergeByTime } from "../../simulators/merge.ts";
import { findRecordings, type RecordedRow, readRecording } from "../../simulators/recording.ts";
import { checkMovedThreshold, LIMIT_YAML, MOVED_LIMIT_YAML } from "../../test/verify-recorded/moved-threshold.ts";
import { openOracle } from "../../test/verify-recorded/oracle.ts";
import { RULES_YAML } from "../../test/verify-recorded/rules.ts";
import { type BacktestOutcome, backtest, type RecordedEntry } from "./backtest.ts";
import { diffSpans } from "./diff.ts";
import type { FiringSpan } from "./firing-spans.ts";
import { htmlReport } from "./html-report.ts";
import { jsonReport } from "./json-report.ts";
import { entriesOfRows } from "./rows-source.ts";
import { tableReport } from "./table-report.ts";
import { Trace } from "./trace.ts";

const FOLDER = fileURLToPath(new URL("../../simulators/recordings/beijing-air", import.meta.url));
const HOUR_US = 3_600_000_000;
const rows: RecordedRow[] = [];

beforeAll(async () => {
  const { columns, paths } = beijingAirReplay({ url: "mqtt://127.0.0.1", speed: "max", paths: [FOLDER] });
  const files = await findRecordings(paths);
  const counts = { rowsUnreadable: 0, rowsEmpty: 0 };
  for await (const row of mergeByTime(files.map((file) => readRecording(file, columns, counts)))) rows.push(row);
}, 60_000);

async function run(
  candidate: readonly RuleSpec[],
  live?: readonly RuleSpec[],
  some = rows,
  watched = false,
): Promise<BacktestOutcome> {
  const table = new SeriesTable();
  const source = entriesOfRows([some], { table, tags: { site: "beijing" }, watched, arrival: "observed" });
  return backtest(source, { table, partitions: 1, candidate, live, keepTraces: true });
}

function hot(limit: number, more: object = {}): RuleSpec {
  return rule({
    id: "pm25",
    where: { metric: "PM2.5" },
    window: { tumbling: "1h" },
    aggregate: "avg",
    when: `> ${limit}`,
    ...more,
  });
}

test("if a limit moves by a tenth, the difference equals the one that SQL computes from the files", async () => {
  const { rules: live } = ruleFileSchema.parse(parse(LIMIT_YAML));
  const { rules: candidate } = ruleFileSchema.parse(parse(MOVED_LIMIT_YAML));
  const outcome = await run(candidate, live);
  const oracle = await openOracle(FOLDER);
  const checks = await checkMovedThreshold(oracle, jsonReport(outcome));
  oracle.closeSync();
  expect(checks.filter(({ equal }) => !equal)).toEqual([]);
  const { totals } = outcome;
  expect(totals.moved).toBeGreaterThan(20);
  expect(totals.lost).toBeGreaterThan(10);
  expect(totals.gained).toBeGreaterThan(0);
  expect(totals.before - totals.after).toBe(totals.lost - totals.gained);
}, 60_000);

test("the rules of the recorded run fire according to its oracle, which also checks the running gateway", async () => {
  const { rules } = ruleFileSchema.parse(parse(RULES_YAML));
  const oracle = await openOracle(FOLDER);
  const expected = (
    await oracle.runAndReadAll("SELECT device, at_us FROM expected_alerts WHERE state = 'firing' ORDER BY ALL")
  ).getRows();
  oracle.closeSync();
  const { candidate } = await run(rules);
  const actual = candidate.spans.map(({ key, fromUs }) => [key.device, BigInt(fromUs)]);
  const order = (list: readonly unknown[][]) => list.map(String).sort();
  expect(order(actual)).toEqual(order(expected));
  expect(actual.length).toBeGreaterThan(50);
}, 60_000);

test("groups over devices are computed over all devices, and the partitions of a log separately", async () => {
  const group = rule({
    id: "site",
    where: { metric: "PM2.5" },
    group_by: ["site"],
    window: { tumbling: "1h" },
    aggregate: ["max", "count"],
    when: "> 400",
  });
  const whole = await run([group, hot(300)]);
  expect(new Set(whole.candidate.spans.map(({ rule, key }) => `${rule} ${Object.keys(key)}`))).toEqual(
    new Set(["site site", "pm25 device,metric,site"]),
  );
  const table = new SeriesTable();
  const sides = { a: rows.filter(({ device }) => device < "H"), b: rows.filter(({ device }) => device >= "H") };
  // The same readings, as two partitions whose entries alternate.
  async function* partitions(): AsyncGenerator<readonly RecordedEntry[]> {
    const both = [sides.a, sides.b].map((some) =>
      entriesOfRows([some], { table, tags: { site: "beijing" }, watched: false, arrival: "observed" }),
    );
    for (;;) {
      let isOver = true;
      for (const [partition, entries] of both.entries()) {
        const { value, done } = await entries.next();
        if (done) continue;
        isOver = false;
        yield (value as readonly RecordedEntry[]).map(({ entry, position }) => ({
          entry,
          position: { ...position, task: partition },
        }));
      }
      if (isOver) return;
    }
  }
  const apart = await backtest(partitions(), { table, partitions: 2, candidate: [group, hot(300)] });
  const text = ({ candidate }: BacktestOutcome) => candidate.spans.map((span) => JSON.stringify(span)).sort();
  expect(text(apart)).toEqual(text(whole));
}, 60_000);

test("a firing that gets worse is one firing, with the greatest severity that it had", async () => {
  const rows = [7, 9, 7, 5, 5].map((value, hour) => ({
    ...{ device: "a", tags: {}, atUs: hour * HOUR_US },
    values: { "PM2.5": value },
  }));
  const levels = (critical: string) =>
    rule({ id: "levels", window: { tumbling: "1h" }, levels: { warning: "> 6", critical } });
  const { candidate, diff } = await run([levels("> 8")], [levels("> 10")], rows);
  expect(candidate.spans.map(({ fromUs, toUs, severity, value }) => [fromUs, toUs, severity, value])).toEqual([
    [HOUR_US, 4 * HOUR_US, "critical", 7],
  ]);
  expect(diff[0]?.spans.map(({ kind }) => kind)).toEqual(["moved"]);
});

test("absences in a recording: watched or not", async () => {
  const silent = rule({ id: "silent", where: { metric: "PM2.5" }, group_by: ["device"], absent: "90m" });
  const at = (hour: number, device: string) => ({
    ...{ device, tags: {}, atUs: hour * HOUR_US },
    values: { "PM2.5": 1 },
  });
  const some = [0, 1, 2, 3, 4, 5, 6].flatMap((hour) =>
    hour > 1 && hour < 5 ? [at(hour, "a")] : [at(hour, "a"), at(hour, "b")],
  );
  const spans = async (watched: boolean) =>
    (await run([silent], undefined, some, watched)).candidate.spans.map(({ key, fromUs, toUs }) => [
      key.device,
      fromUs / HOUR_US,
      toUs / HOUR_US,
    ]);
  expect(await spans(true)).toEqual([["b", 2.5, 5]]);
  expect(await spans(false)).toEqual([]);
});

test("each firing has at most one partner", () => {
  const span = (fromUs: number, toUs: number): FiringSpan => ({
    severity: "warning",
    rule: "r",
    key: { d: "1" },
    incident: "",
    fromUs,
    toUs,
    isOpen: false,
    value: 1,
  });
  const kinds = (before: FiringSpan[], after: FiringSpan[]) =>
    diffSpans(before, after).flatMap(({ spans }) => spans.map(({ kind }) => kind));
  expect(kinds([span(0, 10)], [span(0, 10)])).toEqual(["same"]);
  expect(kinds([span(0, 10)], [span(1, 3), span(5, 9)])).toEqual(["moved", "gained"]);
  expect(kinds([span(0, 4), span(6, 10)], [span(0, 10)])).toEqual(["moved", "lost"]);
  expect(kinds([span(0, 4)], [span(5, 6)])).toEqual(["lost", "gained"]);
  expect(kinds([], [])).toEqual([]);
});

test("reports: a table, JSON, and a self-contained page", async () => {
  const outcome = await run(
    [hot(275), rule({ id: "other", where: { metric: "CO" }, window: { tumbling: "1h" }, when: "> 1e9" })],
    [hot(250)],
  );
  const table = tableReport(outcome);
  expect(table).toMatch(/pm25: \d+ gained, \d+ lost, \d+ moved, \d+ the same/);
  expect(table).toContain("other: 0 gained, 0 lost, 0 moved, 0 the same");
  expect(JSON.parse(jsonReport(outcome)).totals).toEqual(outcome.totals);
  const page = htmlReport(outcome, "A <b>title</b>");
  expect(page).toContain("A &lt;b&gt;title&lt;/b&gt;");
  expect(page).not.toMatch(/(?:src|href)=|url\(|@import/);
  expect(page.match(/<svg/g)?.length).toBe(12);
  expect(page).not.toContain("NaN");
}, 60_000);

test("a trace keeps the smallest and largest values in bounded memory", () => {
  const trace = new Trace();
  for (let i = 0; i < 100_000; i++) trace.add(i * 1000, i === 61_803 ? 99 : i % 7);
  const points = trace.points();
  expect(points.length).toBeLessThanOrEqual(2_048);
  expect(points.length).toBeGreaterThan(500);
  expect(Math.max(...points.map(({ max }) => max))).toBe(99);
  expect(Math.min(...points.map(({ min }) => min))).toBe(0);
});

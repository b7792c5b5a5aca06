import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { SeriesTable } from "../../domain/frame-reader.ts";
import { beijingAirReplay } from "../../simulators/beijing-air.ts";
import { mergeByTime } from "../../simulators/merge.ts";
import { findRecordings, type RecordedRow, readRecording } from "../../simulators/recording.ts";
import { openOracle } from "../../test/verify-recorded/oracle.ts";
import { RULES_YAML } from "../../test/verify-recorded/rules.ts";
import { type RuleSpec, ruleFileSchema } from "../rules/rule-spec.ts";
import { rule } from "../step/step-kit.ts";
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
  const source = entriesOfRows([some], { table, tagsOf: () => ({ site: "beijing" }), watched });
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

/** Runs of hours above a limit, by SQL alone: gaps and islands over the closed hours. */
const FIRINGS = (name: string, limit: number) => `
  CREATE TEMP TABLE ${name} AS
  WITH hours AS (
    SELECT * FROM (
      SELECT device, (at_us // ${HOUR_US} + 1) * ${HOUR_US} AS e, avg(number) > ${limit} AS hot
      FROM cells WHERE metric = 'PM2.5' AND number IS NOT NULL GROUP BY ALL
    ) QUALIFY e < max(e) OVER (PARTITION BY device)
  ), turns AS (
    SELECT *, hot AND NOT coalesce(lag(hot) OVER w, false) AS begins, NOT hot AND coalesce(lag(hot) OVER w, false) AS ends
    FROM hours WINDOW w AS (PARTITION BY device ORDER BY e)
  )
  SELECT b.device, b.e AS f, (SELECT min(x.e) FROM turns x WHERE x.device = b.device AND x.ends AND x.e > b.e) AS t
  FROM turns b WHERE b.begins`;

test("a limit moved by a tenth: the difference is what SQL computes from the files", async () => {
  const oracle = await openOracle(FOLDER);
  await oracle.run(FIRINGS("olds", 250));
  await oracle.run(FIRINGS("news", 275));
  // Above the higher limit is above the lower: each new firing lies within one old; the first in it is its partner.
  const rowsOf = async (sql: string) =>
    (await oracle.runAndReadAll(sql))
      .getRows()
      .map((row) => row.map((cell) => (typeof cell === "bigint" ? Number(cell) : cell)));
  const expected = await rowsOf(`
    WITH pairs AS (
      SELECT o.device, o.f AS of, o.t AS ot, n.f AS nf, n.t AS nt, row_number() OVER (PARTITION BY o.device, o.f ORDER BY n.f) AS place
      FROM olds o LEFT JOIN news n ON n.device = o.device AND n.f >= o.f AND coalesce(n.t, 1e18) <= coalesce(o.t, 1e18)
    )
    SELECT device, CASE WHEN nf IS NULL THEN 'lost' WHEN place > 1 THEN 'gained'
      WHEN of = nf AND ot IS NOT DISTINCT FROM nt THEN 'same' ELSE 'moved' END AS kind,
      CASE WHEN place = 1 THEN of END, CASE WHEN place = 1 THEN ot END, nf, nt
    FROM pairs ORDER BY device, coalesce(nf, of), kind`);
  oracle.closeSync();
  const { diff, totals } = await run([hot(275)], [hot(250)]);
  const ended = (span: FiringSpan | undefined) => (span === undefined || span.isOpen ? null : span.toUs);
  const actual = diff.flatMap(({ key, spans }) =>
    spans.map(({ kind, before, after }) => [
      key.device,
      kind,
      before?.fromUs ?? null,
      ended(before),
      after?.fromUs ?? null,
      ended(after),
    ]),
  );
  const order = (list: readonly unknown[][]) => list.map((row) => JSON.stringify(row)).sort();
  expect(order(actual)).toEqual(order(expected));
  expect(totals.moved).toBeGreaterThan(20);
  expect(totals.lost).toBeGreaterThan(10);
  expect(totals.gained).toBeGreaterThan(0);
  expect(totals.before - totals.after).toBe(totals.lost - totals.gained);
}, 60_000);

test("the rules of the recorded run fire as its oracle says, to which the running gateway is held as well", async () => {
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

test("groups over devices are computed over all of them, and partitions of a log apart", async () => {
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
    new Set(["site site", "pm25 device,metric"]),
  );
  const table = new SeriesTable();
  const sides = { a: rows.filter(({ device }) => device < "H"), b: rows.filter(({ device }) => device >= "H") };
  // The same readings, as two partitions whose entries alternate.
  async function* partitions(): AsyncGenerator<readonly RecordedEntry[]> {
    const both = [sides.a, sides.b].map((some) =>
      entriesOfRows([some], { table, tagsOf: () => ({ site: "beijing" }), watched: false }),
    );
    for (;;) {
      let isOver = true;
      for (const [partition, entries] of both.entries()) {
        const { value, done } = await entries.next();
        if (done) continue;
        isOver = false;
        yield (value as readonly RecordedEntry[]).map(({ entry, position }) => ({
          entry,
          position: { ...position, partition },
        }));
      }
      if (isOver) return;
    }
  }
  const apart = await backtest(partitions(), { table, partitions: 2, candidate: [group, hot(300)] });
  const text = ({ candidate }: BacktestOutcome) => candidate.spans.map((span) => JSON.stringify(span)).sort();
  expect(text(apart)).toEqual(text(whole));
}, 60_000);

test("absences in a recording: watched or not", async () => {
  const silent = rule({ id: "silent", where: { metric: "PM2.5" }, group_by: ["device"], absent: "90m" });
  const at = (hour: number, device: string) => ({ device, atUs: hour * HOUR_US, values: { "PM2.5": 1 } });
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

test("matching: each firing has one partner at most", () => {
  const span = (fromUs: number, toUs: number): FiringSpan => ({
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

test("reports: a table, JSON, and a page that needs nothing from elsewhere", async () => {
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

test("a trace keeps the least and greatest values in bounded memory", () => {
  const trace = new Trace();
  for (let i = 0; i < 100_000; i++) trace.add(i * 1000, i === 61_803 ? 99 : i % 7);
  const points = trace.points();
  expect(points.length).toBeLessThanOrEqual(2_048);
  expect(points.length).toBeGreaterThan(500);
  expect(Math.max(...points.map(({ max }) => max))).toBe(99);
  expect(Math.min(...points.map(({ min }) => min))).toBe(0);
});

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { compare } from "./compare.ts";
import { expectedAlerts, openOracle } from "./oracle.ts";
import { rows } from "./sql.ts";

const HOUR = 3_600_000_000;
const HEADER = '"No","year","month","day","hour","PM2.5","TEMP","wd","station"';
const FIRST = Date.UTC(2016, 0, 1) * 1000;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-oracle-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, lines: readonly string[]): Promise<void> {
  const text = `${[HEADER, ...lines].join("\r\n")}\r\n`;
  await writeFile(join(folder, name), name.endsWith(".gz") ? gzipSync(text) : text);
}

describe("openOracle", () => {
  beforeEach(async () => {
    await write("a.csv", [
      '1,2016,1,1,22,4,-1.5,"NW","A"',
      '2,2016,1,1,23, ,NA,NA,"A"',
      '3,2016,1,2,0,6,2.5,"N","A"',
      '4,2016,1,2,1,NA,3.5,"N","A"',
    ]);
    await write("b.csv.gz", ['1,2016,1,1,0,7,NA,"NNW","B"']);
  });

  it("includes each cell that is not empty", async () => {
    const connection = await openOracle(folder);
    const cells = await rows(connection, "SELECT device, metric, at_us, number, text FROM cells ORDER BY ALL");
    expect(cells).toEqual([
      { device: "A", metric: "PM2.5", at_us: FIRST + 22 * HOUR, number: 4, text: null },
      { device: "A", metric: "PM2.5", at_us: FIRST + 24 * HOUR, number: 6, text: null },
      { device: "A", metric: "TEMP", at_us: FIRST + 22 * HOUR, number: -1.5, text: null },
      { device: "A", metric: "TEMP", at_us: FIRST + 24 * HOUR, number: 2.5, text: null },
      { device: "A", metric: "TEMP", at_us: FIRST + 25 * HOUR, number: 3.5, text: null },
      { device: "A", metric: "wd", at_us: FIRST + 22 * HOUR, number: null, text: "NW" },
      { device: "A", metric: "wd", at_us: FIRST + 24 * HOUR, number: null, text: "N" },
      { device: "A", metric: "wd", at_us: FIRST + 25 * HOUR, number: null, text: "N" },
      { device: "B", metric: "PM2.5", at_us: FIRST, number: 7, text: null },
      { device: "B", metric: "wd", at_us: FIRST, number: null, text: "NNW" },
    ]);
  });

  it("has a window for each day with a number, closed if a later reading exists", async () => {
    const connection = await openOracle(folder);
    const windows = await rows(
      connection,
      "SELECT device, metric, start_us, end_us, count, min, max, avg, must_close FROM expected_windows ORDER BY ALL",
    );
    const [day1, day2, day3] = [FIRST, FIRST + 24 * HOUR, FIRST + 48 * HOUR];
    const window = (device: string, metric: string, second: boolean, values: number[], must_close: boolean) => {
      const [count, min, max, avg] = values;
      const span = second ? { start_us: day2, end_us: day3 } : { start_us: day1, end_us: day2 };
      return { device, metric, ...span, count, min, max, avg, must_close };
    };
    expect(windows).toEqual([
      window("A", "PM2.5", false, [1, 4, 4, 4], true),
      window("A", "PM2.5", true, [1, 6, 6, 6], false),
      window("A", "TEMP", false, [1, -1.5, -1.5, -1.5], true),
      window("A", "TEMP", true, [2, 2.5, 3.5, 3], false),
      window("B", "PM2.5", false, [1, 7, 7, 7], false),
    ]);
  });

  it("refuses a recording with two values for one time", async () => {
    await write("c.csv", ['1,2016,1,1,22,9,1,"N","A"']);
    await expect(openOracle(folder)).rejects.toThrow("holds 3 readings twice");
  });
});

describe("expectedAlerts", () => {
  /** Values of consecutive hours, starting at 0; `_` is a missing hour. */
  function play(values: string) {
    const hours = values.split(" ").flatMap((text, hour) => {
      return text === "_" ? [] : [{ device: "A", endUs: (hour + 1) * HOUR, value: Number(text) }];
    });
    return expectedAlerts(hours).map(({ state, at, value }) => `${state} ${at / HOUR} ${value}`);
  }

  it.each([
    ["ignores values at the limit", "250 250 250", []],
    ["fires after three more hours", "251 252 253 254 255", ["pending 1 251", "firing 4 254"]],
    [
      "becomes inactive when the condition does not last",
      "251 252 253 250 251",
      ["pending 1 251", "inactive 4 250", "pending 5 251"],
    ],
    ["ends only below 200", "300 300 300 300 250 200 199", ["pending 1 300", "firing 4 300", "resolved 7 199"]],
    [
      "fires again after it has resolved",
      "300 300 300 300 10 300",
      ["pending 1 300", "firing 4 300", "resolved 5 10", "pending 6 300"],
    ],
    ["counts missing hours as time", "300 _ _ 300", ["pending 1 300", "firing 4 300"]],
    ["evaluates only hours with a measurement", "300 _ _ _ 10", ["pending 1 300", "inactive 5 10"]],
  ])("%s", (_name, values, expected) => {
    expect(play(values)).toEqual(expected);
  });

  it("keeps stations apart", () => {
    const hours = ["A", "B"].map((device) => ({ device, endUs: HOUR, value: 300 }));
    expect(expectedAlerts(hours).map(({ device, state }) => `${device} ${state}`)).toEqual(["A pending", "B pending"]);
  });
});

describe("compare", () => {
  /** A store with exactly the expected contents. */
  async function perfect() {
    const lines = [..."1111100000"].map(
      (high, hour) => `${hour},2016,1,${1 + (hour >> 3)},${hour % 8},${high}00,1,"N","A"`,
    );
    await write("a.csv", [...lines.map((line) => line.replace(",100,", ",300,").replace(",000,", ",0,"))]);
    const connection = await openOracle(folder);
    await connection.run("CREATE TABLE actual_readings AS FROM cells");
    await connection.run(
      "CREATE TABLE actual_windows AS SELECT *, 0 AS revision FROM expected_windows WHERE must_close",
    );
    await connection.run("CREATE TABLE actual_alerts AS FROM expected_alerts");
    return connection;
  }

  it("finds no difference between equal contents, even with last windows closed", async () => {
    const connection = await perfect();
    const checks = await compare(connection);
    expect(checks.filter(({ equal }) => !equal)).toEqual([]);
    expect(checks.find(({ what }) => what === "readings")?.expected).toBe(30);
    expect(checks.find(({ what }) => what === "alert changes: resolved")?.expected).toBe(1);
    await connection.run("INSERT INTO actual_windows SELECT *, 0 FROM expected_windows WHERE NOT must_close");
    expect((await compare(connection)).filter(({ equal }) => !equal)).toEqual([]);
  });

  it.each([
    ["DELETE FROM actual_readings WHERE metric = 'wd' AND at_us = (SELECT max(at_us) FROM cells)", "readings missing"],
    [
      "UPDATE actual_readings SET number = number + 1e-9 WHERE metric = 'TEMP'",
      "readings not in the recording, or with a different value",
    ],
    ["UPDATE actual_readings SET text = 'S' WHERE metric = 'wd'", "readings missing"],
    ["UPDATE actual_readings SET at_us = at_us + 1", "series with a different count, sum, min, max or span"],
    ["INSERT INTO actual_readings FROM cells LIMIT 1", "readings stored twice"],
    ["DELETE FROM actual_windows WHERE metric = 'TEMP'", "daily windows missing"],
    [
      "UPDATE actual_windows SET avg = avg * (1 + 1e-8) WHERE metric = 'TEMP'",
      "daily windows with a different count, min, max or avg",
    ],
    [
      "UPDATE actual_windows SET avg = 1e-8 WHERE metric = 'PM2.5'",
      "daily windows with a different count, min, max or avg",
    ],
    [
      "UPDATE actual_windows SET avg = NULL WHERE metric = 'TEMP'",
      "daily windows with a different count, min, max or avg",
    ],
    ["UPDATE actual_windows SET start_us = start_us - 1", "unexpected daily windows"],
    ["UPDATE actual_windows SET revision = 1", "duplicate or corrected daily windows"],
    ["DELETE FROM actual_alerts WHERE state = 'firing'", "alert changes missing"],
    ["INSERT INTO actual_alerts FROM expected_alerts LIMIT 1", "unexpected alert changes"],
    ["UPDATE actual_alerts SET at_us = at_us + 1", "unexpected alert changes"],
  ])("notices: %s", async (damage, what) => {
    const connection = await perfect();
    await connection.run(damage);
    const differing = (await compare(connection)).filter(({ equal }) => !equal);
    expect(differing.map((check) => check.what)).toContain(what);
    expect(differing.find((check) => check.what === what)?.examples.length).toBeGreaterThan(0);
  });
});

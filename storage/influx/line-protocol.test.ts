import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kindOf, type Reading } from "../../domain/reading.ts";
import { type Influxd, startInfluxd } from "../../test/servers/influxd.ts";
import { StorageEvents } from "../common/events.ts";
import { alertChange, readingsBatch } from "../testing/batches.ts";
import { testDeps } from "../testing/testing.ts";
import { influxdbSchema } from "./config.ts";
import { createInfluxStore } from "./influx-store.ts";
import { alertLine, readingValue, storedName, windowLine } from "./line-protocol.ts";
import { pauseOf } from "./retry-after.ts";

const T0 = 1_763_769_600_000_000;

/** Names as people and machines choose them, with every special character of line protocol. */
const nasty = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        " ",
        ",",
        "=",
        '"',
        "'",
        "\\",
        "\n",
        "\r",
        "\t",
        "\u0000",
        "#",
        "\\\\",
        "\\,",
        "ü",
        "日",
        "🌡",
        "e\u0301",
      ),
      fc.string({ unit: "grapheme", maxLength: 3 }),
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((parts) => parts.join(""))
  .filter((name) => name !== "");

const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n)),
  fc.boolean(),
  fc.array(nasty, { maxLength: 3 }).map((parts) => parts.join("")),
);

describe("line protocol", () => {
  let influxd: Influxd;
  beforeAll(async () => {
    influxd = await startInfluxd();
  }, 90_000);
  afterAll(() => influxd?.stop());

  /** Every point of the readings, as JSON from the older query language. */
  async function pointsOf(device: string): Promise<Record<string, unknown>[]> {
    const literal = `'${storedName(device).replace(/['\\]/g, "\\$&")}'`;
    const q = `SELECT * FROM readings WHERE device = ${literal}`;
    const answer = await fetch(`${influxd.url}/query?${new URLSearchParams({ db: influxd.bucket, q, epoch: "u" })}`, {
      headers: { authorization: `Token ${influxd.token}` },
    });
    const { results } = (await answer.json()) as {
      results: { series?: { columns: string[]; values: unknown[][] }[]; error?: string }[];
    };
    if (results[0]?.error) throw new Error(results[0].error);
    return (results[0]?.series ?? []).flatMap(({ columns, values }) =>
      values.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]]))),
    );
  }

  it("stores every name and value that a reading can have", async () => {
    const deps = testDeps();
    const { url, token, org, bucket } = influxd;
    const config = influxdbSchema.parse({ url, token, org, bucket });
    const events = new StorageEvents(deps.logger, deps.metrics);
    const store = createInfluxStore({ config, log: deps.log, events, nowUs: deps.clock.nowUs });
    let run = 0;
    const sensor = fc.tuple(nasty, nasty, fc.dictionary(nasty, nasty, { maxKeys: 3 }), value);
    await fc.assert(
      fc.asyncProperty(fc.array(sensor, { minLength: 1, maxLength: 4 }), async (sensors) => {
        run++;
        const readings = sensors.map(
          ([name, metric, tags, v], i): Reading => ({
            device: `${run}-${i}${name}`,
            metric,
            tags,
            atUs: T0 + run,
            value: v,
          }),
        );
        const report = await store.write(readingsBatch(run, readings));
        expect(report).toEqual({ points: readings.length, duplicates: 0, deadLetters: 0, dropped: 0 });
        for (const { device, metric, tags, atUs, value: v } of readings) {
          const points = await pointsOf(device);
          expect(points).toHaveLength(1);
          const [point = {}] = points;
          expect(point.time).toBe(atUs);
          expect(point.metric).toBe(storedName(metric));
          const field = { number: "value", boolean: "flag", string: "text" }[kindOf(v)];
          expect(point[field]).toBe(v);
          for (const [key, text] of Object.entries(tags)) {
            const stored = [key, `${key}_`].map((k) => point[storedName(k)]);
            expect(stored).toContain(storedName(text));
          }
        }
      }),
      { numRuns: Number(process.env.WEIR_PROPERTY_RUNS ?? 60) },
    );
    await store.close();
  }, 300_000);

  it("maps different names to different names", () => {
    fc.assert(
      fc.property(nasty, nasty, (a, b) => {
        fc.pre(a !== b);
        return storedName(a) !== storedName(b);
      }),
    );
  });

  it("never writes a number that is not finite", () => {
    for (const number of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(readingValue("number", number, [])).toBeUndefined();
      const window = { rule: "r", labels: {}, startUs: 1, endUs: 2, revision: 0 };
      expect(windowLine({ ...window, aggregates: { avg: number } })).toBe(
        "windows,rule=r retracted=false,revision=0i,window_end=2i 1",
      );
      expect(windowLine({ ...window, aggregates: { avg: number, max: 1 } })).toBe(
        "windows,rule=r max=1,retracted=false,revision=0i,window_end=2i 1",
      );
      expect(alertLine(alertChange({ id: "a", value: number }))).not.toMatch(/NaN|Infinity|value=/);
    }
  });

  it("writes texts to their own fields, and marks retracted windows", () => {
    const window = { rule: "r", labels: { site: "n" }, startUs: 1, endUs: 2, revision: 3 };
    expect(windowLine({ ...window, aggregates: { last: 'a "b"\\', count: 2, revision: "x" } })).toBe(
      'windows,rule=r,site=n last_text="a \\"b\\"\\\\",count=2,revision__text="x",retracted=false,revision=3i,window_end=2i 1',
    );
    expect(windowLine({ ...window, endUs: 1, aggregates: {} })).toBe(
      "windows,rule=r,site=n retracted=true,revision=3i,window_end=1i 1",
    );
    expect(alertLine(alertChange({ id: "a", value: "open" }))).toMatch(/,value_text="open" \d+$/);
  });

  it("omits tags without value and keeps reserved names apart", () => {
    const labels = { time: "a", time_: "b", _field: "c", empty: "", "": "d", device: "x", rule: "y" };
    expect(windowLine({ rule: "r", labels, startUs: 1, endUs: 2, revision: 0, aggregates: { avg: 1 } })).toBe(
      "windows,_field_=c,device=x,rule=r,rule_=y,time_=a,time__=b avg=1,retracted=false,revision=0i,window_end=2i 1",
    );
  });

  it.each([
    ["1", 1000],
    ["0", 0],
    ["2.5", 2500],
    ["86400", 300_000],
    ["Thu, 01 Jan 1970 00:00:12 GMT", 2000],
    ["soon", 0],
    [undefined, 0],
  ])("understands Retry-After %s", (header, ms) => {
    expect(pauseOf(header, 10_000)).toBe(ms);
  });
});

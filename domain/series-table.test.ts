import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeSeries } from "./frame-writer.ts";
import type { Series } from "./reading.ts";
import { SeriesTable } from "./series-table.ts";

function series(n: number): Series {
  return { device: `device-${n}`, metric: "temperature", tags: { site: `site-${n % 7}` }, kind: "number" };
}

test("released ids are used again, so a table of changing series stays as small as the series that it needs", () => {
  const table = new SeriesTable();
  for (let n = 0; n < 50_000; n++) {
    const id = table.idOf(series(n));
    expect(table.series(id)).toEqual(series(n));
    if (n >= 500) table.release(table.idOf(series(n - 500)));
  }
  expect(table.count).toBe(500);
  expect(table.size).toBeLessThan(3_000);
});

test("a released series that appears again keeps its id", () => {
  const table = new SeriesTable();
  const id = table.idOf(series(1));
  table.release(id);
  expect(table.idOf(series(1))).toBe(id);
  expect(table.count).toBe(1);
});

test("each needed series has an id of its own, whatever is released", () => {
  const steps = fc.array(fc.record({ n: fc.integer({ min: 0, max: 3_000 }), released: fc.boolean() }), {
    minLength: 500,
    maxLength: 5_000,
    size: "max",
  });
  fc.assert(
    fc.property(steps, (all) => {
      const table = new SeriesTable({ keepsSeries: false });
      const ids = new Map<number, number>();
      for (const { n, released } of all) {
        const bytes = encodeSeries(series(n));
        const id = table.idOfEncoded(bytes, 0, bytes.length);
        if (ids.has(n)) expect(id).toBe(ids.get(n));
        ids.set(n, id);
        if (!released) continue;
        table.release(id);
        ids.delete(n);
      }
      expect(new Set(ids.values()).size).toBe(ids.size);
      for (const [n, id] of ids) expect(table.series(id)).toEqual(series(n));
    }),
    { numRuns: 30 },
  );
});

test("the series that differ only in their kind are found, with any names and tags", () => {
  const name = fc.string({ maxLength: 200, unit: "binary" });
  fc.assert(
    fc.property(name, name, fc.dictionary(fc.string({ minLength: 1 }), name), (device, metric, tags) => {
      const table = new SeriesTable();
      const idOf = (kind: "number" | "boolean" | "string", of = metric) =>
        table.idOf({ device, metric: of, tags, kind });
      const number = idOf("number");
      idOf("string", `${metric}x`);
      expect(table.otherKinds(number)).toEqual([]);
      const text = idOf("string");
      const boolean = idOf("boolean");
      expect(table.otherKinds(number)).toEqual([boolean, text]);
      expect(table.otherKinds(text)).toEqual([number, boolean]);
      table.release(boolean);
      expect(table.otherKinds(number)).toEqual([text]);
    }),
  );
});

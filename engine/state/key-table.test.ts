import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyTable } from "./key-table.ts";

test("a removed key's number goes to the next new group", () => {
  const table = new KeyTable();
  const first = table.add({ device: "a" });
  const second = table.add({ device: "b" });
  table.remove(first);
  expect(table.find({ device: "a" })).toBe(-1);
  expect(table.add({ device: "c" })).toBe(first);
  expect([...table.entries()]).toEqual([
    [first, { device: "c" }],
    [second, { device: "b" }],
  ]);
});

test("numbers stay as few as the groups that exist at once", () => {
  const table = new KeyTable();
  for (let i = 0; i < 10_000; i++) {
    table.add({ device: `d${i}` });
    if (i >= 10) table.remove(table.find({ device: `d${i - 10}` }));
  }
  expect(table.size).toBeLessThanOrEqual(11);
  expect(table.count).toBe(10);
});

test("a table finds what a map finds, also after it was restored", () => {
  const change = fc.record({ device: fc.integer({ min: 0, max: 40 }), isAdded: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 300 }), fc.nat(300), (changes, restoredAt) => {
      let table = new KeyTable();
      const model = new Map<number, number>();
      for (const [i, { device, isAdded }] of changes.entries()) {
        const labels = { device: `d${device}` };
        if (isAdded && !model.has(device)) model.set(device, table.add(labels));
        else if (!isAdded && model.has(device)) {
          table.remove(model.get(device) ?? -1);
          model.delete(device);
        }
        if (i === restoredAt) table = restored(table);
        for (let each = 0; each <= 40; each++) expect(table.find({ device: `d${each}` })).toBe(model.get(each) ?? -1);
      }
    }),
  );
});

function restored(table: KeyTable): KeyTable {
  const copy = new KeyTable();
  for (let key = 0; key < table.size; key++) copy.restoreNext(table.labelsOrNone(key));
  copy.restoreFree(table.free);
  return copy;
}

import { fileURLToPath } from "node:url";
import fc from "fast-check";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import type { WindowResult, WindowsFrame } from "./window-result.ts";
import { decodeWindows, encodeWindows } from "./windows-codec.ts";

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => {
  return fileURLToPath(new URL(`proto/${target.replace(/^.*proto\//, "")}`, import.meta.url));
};
const Windows = root.loadSync("weir/v1/windows.proto").lookupType("weir.v1.Windows");

/** Objects shared by many results, like those of one group, next to equal objects that are not shared. */
const LABELS = [{}, { site: "a" }, { site: "a" }, { device: "d", metric: "m" }, { zone: "ü", area: "" }];
const NAMES = [[], ["avg"], ["avg", "max"], ["max", "avg"]];

const result = fc
  .record({
    rule: fc.constantFrom("r", "q"),
    labels: fc.constantFrom(...LABELS),
    startUs: fc.integer({ min: -(2 ** 50), max: 2 ** 50 }),
    lengthUs: fc.integer({ min: 0, max: 2 ** 40 }),
    revision: fc.integer({ min: 0, max: 2 ** 31 }),
    names: fc.constantFrom(...NAMES),
    values: fc.array(fc.oneof(fc.double(), fc.string({ unit: "grapheme" })), { minLength: 2, maxLength: 2 }),
  })
  .map(({ rule, labels, startUs, lengthUs, revision, names, values }): WindowResult => {
    const aggregates = Object.fromEntries(names.map((name, i) => [name, values[i] ?? 0]));
    return { rule, labels, startUs, endUs: startUs + lengthUs, revision, aggregates };
  });

const head = { partition: 3, firstInput: 41, lastInput: 2 ** 40, part: 0, parts: 1 };

test("frames decode to the same results, even in sequence with shared labels", () => {
  fc.assert(
    fc.property(fc.array(fc.array(result, { maxLength: 30 }), { maxLength: 4 }), (frames) => {
      for (const results of frames) {
        const frame: WindowsFrame = { ...head, results };
        expect(decodeWindows(encodeWindows(frame))).toEqual(frame);
      }
    }),
  );
});

test("frames follow the schema, and name each group once", () => {
  const labels = { site: "a", line: "7" };
  const results = [0, 60, 120].map((s) => {
    return { rule: "r", labels, startUs: s * 1e6, endUs: s * 1e6 + 6e7, revision: 0, aggregates: { avg: s, n: 1 } };
  });
  const message = Windows.toObject(Windows.decode(encodeWindows({ ...head, results })), { longs: Number });
  expect(message).toMatchObject({
    partition: 3,
    firstInput: 41,
    lastInput: 2 ** 40,
    keys: [
      {
        rule: "r",
        labels: [
          { name: "line", value: "7" },
          { name: "site", value: "a" },
        ],
        aggregates: ["avg", "n"],
      },
    ],
    keyIndex: [0, 0, 0],
    startUsDelta: [0, 6e7, 6e7],
    lengthUs: [6e7, 6e7, 6e7],
    values: [0, 1, 60, 1, 120, 1],
  });
});

test("texts are stored beside the values, which hold NaN in their place", () => {
  const aggregates = { count: 2, last: "open" };
  const results = [{ rule: "r", labels: { device: "d" }, startUs: 0, endUs: 1, revision: 0, aggregates }];
  const message = Windows.toObject(Windows.decode(encodeWindows({ ...head, results })));
  expect(message).toMatchObject({ values: [2, Number.NaN], textPositions: [1], texts: ["open"] });
});

test("a key with many aggregate sets is decoded correctly", () => {
  const labels = { site: "a" };
  const results = Array.from({ length: 300 }, (_, i) => {
    return { rule: `r${i % 150}`, labels, startUs: i, endUs: i + 1, revision: 0, aggregates: { [`p${i % 100}`]: i } };
  });
  const frame = { ...head, results };
  expect(decodeWindows(encodeWindows(frame))).toEqual(frame);
});

import { describe, expect, test } from "vitest";
import { reading, rule, TestPartition } from "../../engine/testing/step-kit.ts";
import { AGGREGATES, type AggregateDefinition } from "../../rule-language/aggregates/aggregates.ts";
import { checkedAggregate } from "../../rule-language/spec/checked.ts";
import { agrees, recompute, type Sample } from "./recompute.ts";

const SECOND_US = 1e6;
const WINDOW = { startUs: 60 * SECOND_US, endUs: 120 * SECOND_US };

const NUMBERS: readonly (readonly Sample[])[] = [
  [{ atUs: 70 * SECOND_US, value: 4 }],
  [3, 9, 9, -2, 0.5, 6].map((value, i) => ({ atUs: (60 + 9 * i) * SECOND_US, value })),
  // The readings are out of order.
  [8, 1, 5, 7].map((value, i) => ({ atUs: (100 - 10 * i) * SECOND_US, value })),
  Array.from({ length: 60 }, (_, i) => ({ atUs: (60 + i) * SECOND_US, value: (i * 37) % 23 })),
];
const TEXTS: readonly (readonly Sample[])[] = [
  ["open", "shut", "open", "ajar"].map((value, i) => ({ atUs: (65 + 11 * i) * SECOND_US, value })),
];

/** The value of the aggregate over one window of a minute, computed by the engine. */
function computed(aggregate: string, samples: readonly Sample[]): number | string | undefined {
  const partition = new TestPartition();
  const spec = rule({ id: "a", window: { tumbling: "1m" }, lateness: "1m", aggregate });
  partition.apply({ kind: "rules", storedAtUs: 1, specs: [spec] });
  const readings = samples.map(({ atUs, value }) => reading("a", atUs, value));
  const closing = reading("a", 300 * SECOND_US, samples[0]?.value ?? 0);
  const { windows } = partition.apply({ kind: "readings", storedAtUs: 1000, readings: [...readings, closing] });
  return windows.find(({ startUs }) => startUs === WINDOW.startUs)?.aggregates[aggregate];
}

describe.each(Object.entries(AGGREGATES))("%s", (_kind, definition) => {
  const { names, forms = names, takesTexts }: AggregateDefinition = definition;

  test.each([...new Set([...names, ...forms])])("%s: the engine agrees with the plain computation", (name) => {
    for (const samples of [...NUMBERS, ...(takesTexts === true ? TEXTS : [])]) {
      const expected = recompute(checkedAggregate(name), samples, WINDOW);
      const value = computed(name, samples);
      expect(value).toBeDefined();
      expect([value, agrees(value ?? "", expected, 1_000)]).toEqual([value, true]);
    }
  });
});

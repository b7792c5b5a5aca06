import { describe, expect, test } from "vitest";
import { reading, rule, TestPartition } from "../testing/step-kit.ts";

const SECOND = 1e6;

function started(fields: Readonly<Record<string, unknown>>): TestPartition {
  const partition = new TestPartition();
  partition.applyAll([
    { kind: "rules", storedAtUs: SECOND, specs: [rule({ id: "silent", absent: "5m", ...fields })] },
    {
      kind: "readings",
      storedAtUs: 10 * SECOND,
      readings: [reading("a", 10 * SECOND, 1), reading("a", 10 * SECOND, 2, "other"), reading("b", 10 * SECOND, 3)],
    },
  ]);
  return partition;
}

const A = { device: "a", tags: { site: "s" } };

test("the alerts of a device that is gone fire at once, with the silence so far", () => {
  const partition = started({});
  const { alerts } = partition.applyGone([A], 13 * SECOND);
  expect(alerts).toMatchObject([
    { state: "firing", atUs: 13 * SECOND, value: 3, labels: { device: "a", metric: "m" } },
    { state: "firing", atUs: 13 * SECOND, value: 3, labels: { device: "a", metric: "other" } },
  ]);
  // Nothing twice, neither by the entry nor by the time.
  expect(partition.applyGone([A], 14 * SECOND).alerts).toEqual([]);
});

test("the next reading resolves the alert, and a silence after it counts from its own start", () => {
  const partition = started({ where: { metric: "m" } });
  partition.applyGone([A], 13 * SECOND);
  const back = { kind: "readings", storedAtUs: 20 * SECOND, readings: [reading("a", 20 * SECOND, 1)] } as const;
  expect(partition.apply(back).alerts).toMatchObject([{ state: "resolved", atUs: 20 * SECOND }]);
  const ticks = Array.from({ length: 32 }, (_, i) => ({ kind: "tick", storedAtUs: (29 + 10 * i) * SECOND }) as const);
  const { alerts } = partition.applyAll(ticks);
  expect(alerts).toMatchObject([
    { state: "firing", labels: { device: "b" } },
    { state: "firing", atUs: 320 * SECOND, value: 300, labels: { device: "a" } },
  ]);
});

test("a restored state knows who is gone", () => {
  const first = started({});
  first.applyGone([A], 13 * SECOND);
  const second = new TestPartition(first.sequence);
  second.step.restore([...first.step.snapshot()]);
  expect(second.applyGone([A], 14 * SECOND).alerts).toEqual([]);
});

describe("only keys that are the device's alone", () => {
  test.each([
    [{ group_by: ["device", "site"] }, A, 1],
    [{ group_by: ["site"] }, A, 0],
    [{ group_by: ["device"] }, A, 0],
    [{ group_by: ["device"] }, { device: "a", tags: {} }, 1],
    [{}, { device: "a", tags: { site: "elsewhere" } }, 0],
    [{}, { device: "c", tags: {} }, 0],
    [{ active: { hours: ["12:00-13:00"], zone: "UTC" } }, A, 0],
  ])("%j, when %j is gone: %d", (fields, device, count) => {
    expect(started(fields).applyGone([device], 13 * SECOND).alerts).toHaveLength(count);
  });
});

test("an entry with a device that was never heard changes nothing", () => {
  const partition = new TestPartition();
  expect(partition.applyGone([A], SECOND)).toMatchObject({ alerts: [] });
});

import { describe, expect, it } from "vitest";
import { lagOf, secondsLeft } from "./lag-meter.ts";

const SECOND = 1_000_000;

describe("the lag", () => {
  it.each([
    ["never written", { first: 1, last: 0, applied: 0 }, 0],
    ["nothing applied", { first: 1, last: 7, applied: 0 }, 7],
    ["all applied", { first: 1, last: 7, applied: 7 }, 0],
    ["some deleted before", { first: 5, last: 7, applied: 2 }, 3],
    ["all deleted", { first: 8, last: 7, applied: 2 }, 0],
    ["a new log", { first: 1, last: 3, applied: 9 }, 0],
  ])("counts messages: %s", (_, { first, last, applied }, lag) => {
    expect(lagOf(bounds({ first, last }), { sequence: applied, storedAtUs: 0 })).toBe(lag);
  });

  it("computes from the retention how long the log keeps unstored messages", () => {
    const logRetentionUs = 100 * SECOND;
    const log = bounds({ first: 1, last: 9, firstAtS: 0 });
    const left = (appliedAtS: number, sequence: number) =>
      secondsLeft({
        bounds: log,
        applied: { sequence, storedAtUs: appliedAtS * SECOND },
        nowUs: 50 * SECOND,
        logRetentionUs,
      });
    expect(left(50, 9)).toBe(100);
    expect(left(40, 5)).toBe(90);
    expect(left(0, 1)).toBe(50);
  });

  it("uses the age of the oldest message once size limits the log", () => {
    const log = bounds({ first: 5, last: 9, firstAtS: 30 });
    const at = (appliedAtS: number, logRetentionUs?: number) =>
      secondsLeft({
        bounds: log,
        applied: { sequence: 6, storedAtUs: appliedAtS * SECOND },
        nowUs: 50 * SECOND,
        logRetentionUs,
      });
    expect(at(42)).toBe(12);
    expect(at(42, 100 * SECOND)).toBe(12);
    expect(at(42, 15 * SECOND)).toBe(7);
    expect(at(10)).toBe(0);
  });

  it("is unknown when neither is known", () => {
    const applied = { sequence: 1, storedAtUs: 0 };
    expect(
      secondsLeft({ bounds: bounds({ first: 1, last: 9 }), applied, nowUs: 1, logRetentionUs: undefined }),
    ).toBeUndefined();
  });
});

function bounds(given: { readonly first: number; readonly last: number; readonly firstAtS?: number }) {
  const { first, last, firstAtS = 0 } = given;
  return {
    firstSequence: first,
    lastSequence: last,
    messages: last - first + 1,
    bytes: 0,
    firstAtUs: firstAtS * SECOND,
    lastAtUs: 0,
  };
}

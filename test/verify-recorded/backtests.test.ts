import { describe, expect, it } from "vitest";
import { difference } from "./backtests.ts";

describe("difference", () => {
  const outcomes = (emitted: string[], again: string[]) =>
    difference("x", emitted, again).map(({ got, equal }) => [got, equal]);

  it.each([
    [
      ["a", "b"],
      ["b", "a"],
      [2, true],
      [0, true],
      [0, true],
    ],
    [["a", "b"], ["a"], [1, false], [1, false], [0, true]],
    [["a"], ["a", "a"], [2, false], [0, true], [1, false]],
    [["a"], ["c"], [1, true], [1, false], [1, false]],
    [[], [], [0, false], [0, true], [0, true]],
  ])("%j and %j", (emitted, again, ...expected) => {
    expect(outcomes(emitted, again)).toEqual(expected);
  });

  it("shows some of the differences", () => {
    const [, missing, extra] = difference("x", ["a", "b"], ["b", "c"]);
    expect([missing?.examples, extra?.examples]).toEqual([["a"], ["c"]]);
  });
});

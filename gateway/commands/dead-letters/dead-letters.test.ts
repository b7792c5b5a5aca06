import { expect, test } from "vitest";
import { orderOf } from "./retry.ts";

test.each([
  [["3", "12"], {}, { sequences: [3, 12] }],
  [[], { reason: "bad-payload" }, { limit: 100, reason: "bad-payload" }],
  [[], { reason: "bad-payload", topic: "a/*" }, { limit: 100, reason: "bad-payload", topic: "a/*" }],
  [[], { all: true }, { limit: 100 }],
] as const)("retry %j %j is an order", (named, flags, order) => {
  expect(orderOf(named, { by: "ann", ...flags })).toEqual({ by: "ann", ...order });
});

test.each([
  [[], {}, "say which letters"],
  [["1"], { all: true }, "either numbers, or"],
  [[], { all: true, topic: "a" }, "--all is everything"],
  [["0"], {}, `"0" is not the number of a letter`],
  [["1.5"], {}, "is not the number of a letter"],
  [["-1"], {}, "is not the number of a letter"],
  [Array.from({ length: 501 }, (_, i) => String(i + 1)), {}, "at most 500"],
] as const)("retry %j %j is refused", (named, flags, words) => {
  expect(() => orderOf(named, { by: "ann", ...flags })).toThrow(words);
});

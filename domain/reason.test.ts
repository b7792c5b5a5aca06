import { expect, it } from "vitest";
import { asError, reasonOf } from "./reason.ts";

const refused = new Error("connect ECONNREFUSED 127.0.0.1:1");

it.each<[string, unknown, string]>([
  ["an error", new Error("no space left"), "no space left"],
  ["an error without a message", new TypeError(), "TypeError"],
  ["a text", "gone", "gone"],
  ["nothing", undefined, "undefined"],
  ["a cause", new Error("fetch failed", { cause: refused }), "fetch failed: connect ECONNREFUSED 127.0.0.1:1"],
  [
    "a cause that is named already",
    new Error(`cannot reach it: ${refused.message}`, { cause: refused }),
    `cannot reach it: ${refused.message}`,
  ],
  ["a chain", new Error("a", { cause: new Error("b", { cause: "c" }) }), "a: b: c"],
])("gives the reason of %s", (_, error, reason) => {
  expect(reasonOf(error)).toBe(reason);
});

it("keeps an error, and wraps anything else", () => {
  expect(asError(refused)).toBe(refused);
  expect(asError("gone")).toEqual(new Error("gone"));
});

import { expect, test } from "vitest";
import { KINDS } from "./cases.ts";
import { check } from "./check.ts";

test("windows of all kinds agree with the plain computation from all readings", () => {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= 150; seed++) {
    const { kind, windows, difference } = check(seed);
    expect([seed, difference]).toEqual([seed, undefined]);
    counts.set(kind, (counts.get(kind) ?? 0) + windows);
  }
  for (const kind of KINDS) expect([kind, (counts.get(kind) ?? 0) > 100]).toEqual([kind, true]);
});

import { expect, test } from "vitest";
import { isOverDevices, shareOf } from "./shares.ts";

test("a rule is over devices when a group can hold several devices", () => {
  expect(isOverDevices({ group_by: ["site"] })).toBe(true);
  expect(isOverDevices({ group_by: ["metric", "site"] })).toBe(true);
  expect(isOverDevices({ group_by: ["site", "device"] })).toBe(false);
});

test("a group's share depends on its labels but not on their order, and groups spread over the shares", () => {
  expect(shareOf({ a: "1", b: "2" }, 8)).toBe(shareOf({ b: "2", a: "1" }, 8));
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 4000; i++) {
    const share = shareOf({ site: `site-${i}` }, 4);
    counts[share] = (counts[share] ?? Number.NaN) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(200);
});

test("shares are fixed, so that a version finds the state saved by the one before", () => {
  expect(shareOf({ site: "north", line: "2" }, 4)).toBe(fnv1a("line\u00012\u0000site\u0001north") % 4);
  expect(shareOf({}, 3)).toBe(fnv1a("") % 3);
});

/** FNV-1a with big integers, for ASCII. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5n;
  for (const char of text) hash = ((hash ^ BigInt(char.charCodeAt(0))) * 0x01000193n) & 0xffffffffn;
  return Number(hash);
}

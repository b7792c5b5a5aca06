import fc from "fast-check";
import { expect, test } from "vitest";
import { isMuted } from "./alert.ts";
import {
  alertChangeId,
  alertName,
  alertNameOf,
  incidentId,
  keyHash,
  keyName,
  parseAlertChangeId,
  parseIncidentId,
} from "./alert-ids.ts";
import { alertSubject } from "./subjects.ts";

test("a group's name and hash do not depend on the order of its labels", () => {
  const [one, other] = [
    { device: "d", site: "s" },
    { site: "s", device: "d" },
  ];
  expect(keyName(one)).toBe("device\u0001d\u0000site\u0001s");
  expect(keyName(other)).toBe(keyName(one));
  // Stored in the subjects of logs: it must never change.
  expect(keyHash(one)).toBe("e309d2a91376a331");
  expect(keyHash(other)).toBe(keyHash(one));
});

test("incident ids keep their format and parse back for any rule id", () => {
  const parts = { rule: "cold-room", keyHash: "0123456789abcdef", activeAtUs: 1_000_000 };
  expect(incidentId(parts)).toBe("cold-room-0123456789abcdef-lfls");
  const rules = fc
    .oneof(fc.constantFrom("a-0123456789abcdef-1", "x--y"), fc.string({ minLength: 1 }))
    .filter(isOneLine);
  fc.assert(
    fc.property(rules, fc.dictionary(fc.string(), fc.string()), fc.maxSafeInteger(), (rule, labels, activeAtUs) => {
      const all = { rule, keyHash: keyHash(labels), activeAtUs };
      expect(parseIncidentId(incidentId(all))).toEqual(all);
    }),
  );
});

test.each(["", "hot", "hot-0123456789abcdef", "hot-0123-lfls", "-0123456789abcdef-lfls"])(
  "%j is not an incident",
  (text) => {
    expect(parseIncidentId(text)).toBeUndefined();
  },
);

test("ids of alert changes parse back", () => {
  expect(alertChangeId({ task: 3, sequence: 42, index: 1 })).toBe("3-42-1");
  expect(parseAlertChangeId("3-42-1")).toEqual({ task: 3, sequence: 42, index: 1 });
  expect(parseAlertChangeId("3-42")).toBeUndefined();
});

test("an alert's name is the rest of its subject", () => {
  expect(alertName("cold room", "ff")).toBe("cold%20room.ff");
  expect(alertNameOf(alertSubject("cold room", "ff"))).toBe("cold%20room.ff");
});

test("a change is muted by its field, and by the label of older logs", () => {
  expect(isMuted({ labels: {} })).toBe(false);
  expect(isMuted({ muted: true, labels: {} })).toBe(true);
  expect(isMuted({ labels: { weir_muted: "true" } })).toBe(true);
  expect(isMuted({ labels: { weir_muted: "false" } })).toBe(false);
});

/** A rule's id never has a line break. */
function isOneLine(text: string): boolean {
  return !/[\n\r\u2028\u2029]/.test(text);
}

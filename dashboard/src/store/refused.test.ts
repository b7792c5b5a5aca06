import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { createRefused } from "./refused.ts";

const MIN = 60_000_000;

test("what was refused before the page opened is not news, and what is refused now is, for some minutes", () => {
  const byReason = signal<ReadonlyMap<string, number> | undefined>(undefined);
  const perSecond = signal<number | undefined>(undefined);
  const nowUs = signal(0);
  const refused = createRefused(() => ({ byReason: byReason.value, perSecond: perSecond.value }), nowUs);
  expect(refused.value).toEqual({ total: 0, reasons: [], grows: false });
  byReason.value = new Map([["unknown-topic", 3]]);
  perSecond.value = 0;
  expect(refused.value).toEqual({ total: 3, reasons: [["unknown-topic", 3]], grows: false });

  nowUs.value = MIN;
  perSecond.value = 0.5;
  byReason.value = new Map([
    ["unknown-topic", 3],
    ["bad-payload", 4],
    ["too-large", 0],
  ]);
  const reasons = [
    ["bad-payload", 4],
    ["unknown-topic", 3],
  ];
  expect(refused.value).toEqual({ total: 7, reasons, grows: true });
  perSecond.value = 0;
  nowUs.value = 10 * MIN;
  expect(refused.value.grows).toBe(true);
  nowUs.value = 12 * MIN;
  expect(refused.value).toEqual({ total: 7, reasons, grows: false });
});

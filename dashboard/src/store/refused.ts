import { computed, type ReadonlySignal } from "@preact/signals";

/** Messages that did not become readings. */
export interface Refused {
  readonly total: number;
  /** With their counts, the most frequent first. */
  readonly reasons: readonly (readonly [string, number])[];
  /** More were refused in the last minutes. */
  readonly grows: boolean;
}

/** A refused message is news for this long. */
const NEWS_US = 600_000_000;

/** Counts of refused messages by reason, and whether they grew lately. */
export function createRefused(
  now: () => { readonly byReason: ReadonlyMap<string, number> | undefined; readonly perSecond: number | undefined },
  nowUs: ReadonlySignal<number>,
): ReadonlySignal<Refused> {
  let grewAtUs = -Infinity;
  return computed(() => {
    const { byReason, perSecond = 0 } = now();
    const reasons = [...(byReason ?? [])].filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
    const total = reasons.reduce((sum, [, count]) => sum + count, 0);
    if (perSecond > 0) grewAtUs = nowUs.peek();
    return { total, reasons, grows: grewAtUs > -Infinity && nowUs.value - grewAtUs < NEWS_US };
  });
}

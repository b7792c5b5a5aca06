import { keyName } from "../../domain/alert-ids.ts";
import type { Tags } from "../../domain/reading.ts";
import type { FiringSpan } from "./firing-spans.ts";

export type DiffKind = "same" | "moved" | "gained" | "lost";

/** One firing before and after. */
export interface SpanDiff {
  readonly kind: DiffKind;
  readonly before: FiringSpan | undefined;
  readonly after: FiringSpan | undefined;
}

/** One alert (a rule for a group) before and after. */
export interface AlertDiff {
  readonly rule: string;
  /** The rule's name before, if it differs. */
  readonly ruleBefore: string;
  readonly key: Tags;
  readonly spans: readonly SpanDiff[];
  readonly totals: DiffTotals;
}

export interface DiffTotals {
  readonly same: number;
  readonly moved: number;
  readonly gained: number;
  readonly lost: number;
  readonly before: number;
  readonly after: number;
  readonly firingUsBefore: number;
  readonly firingUsAfter: number;
}

const NOTHING = {
  same: 0,
  moved: 0,
  gained: 0,
  lost: 0,
  before: 0,
  after: 0,
  firingUsBefore: 0,
  firingUsAfter: 0,
};

/**
 * Compares firings. A firing before and one after are partners if they overlap or touch, earliest first. Each has at
 * most one partner. Partners with equal start and end are the same; others have moved. A firing without a partner is
 * lost or gained. `ruleBefore` maps a rule's name to its name before; the same by default.
 */
export function diffSpans(
  before: readonly FiringSpan[],
  after: readonly FiringSpan[],
  ruleBefore: (rule: string) => string = (rule) => rule,
): AlertDiff[] {
  const alerts = new Map<string, { rule: string; key: Tags; before: FiringSpan[]; after: FiringSpan[] }>();
  const alertOf = (rule: string, ruleName: string, key: Tags) => {
    const name = `${ruleName}\u0000${keyName(key)}`;
    const alert = alerts.get(name) ?? { rule, key, before: [], after: [] };
    alerts.set(name, alert);
    return alert;
  };
  for (const span of after) alertOf(span.rule, ruleBefore(span.rule), span.key).after.push(span);
  for (const span of before) alertOf(span.rule, span.rule, span.key).before.push(span);
  return [...alerts.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, alert]) => {
      const spans = match(alert.before, alert.after);
      const { rule, key } = alert;
      return { rule, ruleBefore: name.slice(0, name.indexOf("\u0000")), key, spans, totals: totalsOf(spans) };
    });
}

export function addTotals(all: readonly DiffTotals[]): DiffTotals {
  return all.reduce<DiffTotals>(
    (sum, one) => ({
      same: sum.same + one.same,
      moved: sum.moved + one.moved,
      gained: sum.gained + one.gained,
      lost: sum.lost + one.lost,
      before: sum.before + one.before,
      after: sum.after + one.after,
      firingUsBefore: sum.firingUsBefore + one.firingUsBefore,
      firingUsAfter: sum.firingUsAfter + one.firingUsAfter,
    }),
    NOTHING,
  );
}

function match(before: readonly FiringSpan[], after: readonly FiringSpan[]): SpanDiff[] {
  const olds = before.toSorted((a, b) => a.fromUs - b.fromUs);
  const news = after.toSorted((a, b) => a.fromUs - b.fromUs);
  const spans: SpanDiff[] = [];
  let place = 0;
  for (const old of olds) {
    // Firings that end before this one starts have no partner.
    while (place < news.length && (news[place] as FiringSpan).toUs < old.fromUs) {
      spans.push({ kind: "gained", before: undefined, after: news[place++] });
    }
    const next = news[place];
    if (next === undefined || next.fromUs > old.toUs) spans.push({ kind: "lost", before: old, after: undefined });
    else {
      const isSame =
        next.fromUs === old.fromUs &&
        next.toUs === old.toUs &&
        next.isOpen === old.isOpen &&
        next.severity === old.severity;
      spans.push({ kind: isSame ? "same" : "moved", before: old, after: next });
      place++;
    }
  }
  for (; place < news.length; place++) spans.push({ kind: "gained", before: undefined, after: news[place] });
  return spans.sort((a, b) => beginOf(a) - beginOf(b));
}

function beginOf({ before, after }: SpanDiff): number {
  return Math.min(before?.fromUs ?? Number.POSITIVE_INFINITY, after?.fromUs ?? Number.POSITIVE_INFINITY);
}

function totalsOf(spans: readonly SpanDiff[]): DiffTotals {
  const totals = { ...NOTHING };
  for (const { kind, before, after } of spans) {
    totals[kind]++;
    if (before) {
      totals.before++;
      totals.firingUsBefore += before.toUs - before.fromUs;
    }
    if (after) {
      totals.after++;
      totals.firingUsAfter += after.toUs - after.fromUs;
    }
  }
  return totals;
}

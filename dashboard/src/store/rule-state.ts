import { type ReadonlySignal, signal } from "@preact/signals";
import type { FeedClient } from "../../../contracts/feed-client/feed-client.ts";
import type { WindowResult } from "../../../domain/window-result.ts";
import type { Frame } from "./frame.ts";

export const GROUPS_MAX = 2_000;

/** The newest window of each group of one rule. */
export interface RuleState {
  /** By group, sorted by labels. */
  readonly groups: ReadonlySignal<readonly WindowResult[]>;
  readonly loaded: ReadonlySignal<boolean>;
  /** Groups beyond the page's limit. */
  readonly overflow: ReadonlySignal<number>;
  close(): void;
}

export function openRuleState(options: {
  readonly rule: string;
  readonly feed: Pick<FeedClient, "subscribe">;
  readonly frame: Frame;
}): RuleState {
  const { rule, feed, frame } = options;
  const newest = new Map<string, WindowResult>();
  const groups = signal<readonly WindowResult[]>([]);
  const loaded = signal(false);
  const overflow = signal(0);
  let refused = 0;
  const order = new Intl.Collator("en", { numeric: true });

  function flush(): void {
    groups.value = [...newest].sort(([a], [b]) => order.compare(a, b)).map(([, result]) => result);
    overflow.value = refused;
    loaded.value = true;
  }

  function apply(results: readonly WindowResult[]): void {
    for (const result of results) {
      // A result that retracts another one has no values.
      if (result.rule !== rule || result.endUs === result.startUs) continue;
      const key = groupWords(result.labels);
      const before = newest.get(key);
      if (before === undefined && newest.size >= GROUPS_MAX) {
        refused++;
        continue;
      }
      if (before === undefined || result.endUs >= before.endUs) newest.set(key, result);
    }
    frame(flush);
  }

  const subscription = feed.subscribe(
    { channel: "windows", filter: { rule }, maxHz: 1 },
    {
      onSnapshot(results) {
        newest.clear();
        refused = 0;
        apply(results);
      },
      onUpdate: apply,
    },
  );
  return { groups, loaded, overflow, close: subscription.end };
}

/** A group by its labels: `device cold-1, site north`. */
export function groupWords(labels: Readonly<Record<string, string>>): string {
  return (
    Object.keys(labels)
      .sort()
      .map((name) => `${name} ${labels[name]}`)
      .join(", ") || "everything"
  );
}

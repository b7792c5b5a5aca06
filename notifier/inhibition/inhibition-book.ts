import type { AlertChange } from "../../domain/alert.ts";
import { globMatches } from "../../domain/glob.ts";
import type { ChangeEntry } from "../common/change-entry.ts";
import { type Source, SourcesOfRule } from "./inhibition-sources.ts";

/** More than these need not be named. */
const NAMED_MAX = 10;

/**
 * The newest incident of each alert that fires, or ended no longer ago than `keepUs`; and which of them a change is held by.
 *
 * Where rules inhibit each other in a circle, an incident is held by earlier ones of the circle only: so the earliest
 * is told, and holds the others.
 */
export class InhibitionBook {
  readonly #keepUs: number;
  readonly #rules = new Map<string, SourcesOfRule>();
  readonly #ended = new Set<Source>();
  /** Rules with incidents that fit a pattern, and whether one rule's patterns lead to another's: until any of this changes. */
  readonly #fitting = new Map<string, readonly string[]>();
  readonly #leads = new Map<string, boolean>();

  constructor(keepUs: number) {
    this.#keepUs = keepUs;
  }

  apply(entry: ChangeEntry, nowUs: number): void {
    const { alert, storedAtUs, change } = entry;
    if (change.state === "firing") this.#add({ alert, change, sinceUs: storedAtUs, endedAtUs: undefined });
    if (change.state !== "resolved") return;
    const known = this.#rules.get(change.rule)?.get(alert);
    if (known?.change.incident === change.incident) {
      known.endedAtUs = storedAtUs;
      this.#ended.add(known);
    } else if (storedAtUs + this.#keepUs > nowUs) {
      // After a start the end is all that is known of it.
      this.#add({ alert, change, sinceUs: change.activeAtUs, endedAtUs: storedAtUs });
    }
  }

  /** Forgets what has ended long enough ago. */
  prune(nowUs: number): void {
    for (const source of this.#ended) {
      if (source.endedAtUs !== undefined && nowUs >= source.endedAtUs + this.#keepUs) this.#remove(source);
    }
  }

  /** The incidents that hold a change, of those that `inhibits` says count; ten at most. */
  holding(change: AlertChange, inhibits: (source: Source) => boolean): string[] {
    const found = new Set<string>();
    for (const { rule: pattern, equal } of change.inhibitedBy ?? []) {
      for (const rule of this.#rulesLike(pattern)) {
        if (rule === change.rule) continue;
        for (const source of this.#rules.get(rule)?.agreeing(change, equal) ?? []) {
          if (!inhibits(source) || this.#isBehind(source.change, change)) continue;
          found.add(source.change.incident);
          if (found.size === NAMED_MAX) return [...found];
        }
      }
    }
    return [...found];
  }

  /** Whether a change's inhibitor is itself, over some rules, inhibited by the change's rule, and later than the change. */
  #isBehind(inhibitor: AlertChange, change: AlertChange): boolean {
    if (!this.#leadsTo(inhibitor.rule, change.rule)) return false;
    if (inhibitor.activeAtUs !== change.activeAtUs) return inhibitor.activeAtUs > change.activeAtUs;
    return inhibitor.incident > change.incident;
  }

  #leadsTo(from: string, to: string): boolean {
    const name = JSON.stringify([from, to]);
    const known = this.#leads.get(name);
    if (known !== undefined) return known;
    const reached = new Set([from]);
    for (const rule of reached) {
      for (const pattern of this.#rules.get(rule)?.patterns ?? []) {
        if (globMatches(pattern, to)) reached.add(to);
        for (const next of this.#rulesLike(pattern)) reached.add(next);
      }
      if (reached.has(to)) break;
    }
    this.#leads.set(name, reached.has(to));
    return reached.has(to);
  }

  #rulesLike(pattern: string): readonly string[] {
    const known = this.#fitting.get(pattern);
    if (known !== undefined) return known;
    const fitting = [...this.#rules.keys()].filter((rule) => globMatches(pattern, rule));
    this.#fitting.set(pattern, fitting);
    return fitting;
  }

  #add(source: Source): void {
    const { alert, change } = source;
    const before = this.#rules.get(change.rule)?.get(alert);
    if (before !== undefined) this.#remove(before);
    let sources = this.#rules.get(change.rule);
    if (sources === undefined) {
      sources = new SourcesOfRule();
      this.#rules.set(change.rule, sources);
      this.#forgetPaths();
    }
    if (sources.add(source)) this.#leads.clear();
    if (source.endedAtUs !== undefined) this.#ended.add(source);
  }

  #remove(source: Source): void {
    const { rule } = source.change;
    this.#ended.delete(source);
    const sources = this.#rules.get(rule);
    sources?.remove(source);
    if (sources?.size !== 0) return;
    this.#rules.delete(rule);
    this.#forgetPaths();
  }

  #forgetPaths(): void {
    this.#fitting.clear();
    this.#leads.clear();
  }
}

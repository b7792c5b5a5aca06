import type { AlertChange } from "../../domain/alert.ts";
import { globMatches } from "../../domain/glob.ts";
import type { LoggedChange } from "../common/logged-change.ts";
import { RuleSources, type SourceIncident } from "./rule-sources.ts";

/** The most incidents that `inhibitedBy` names. */
const NAMED_MAX = 10;

/**
 * The newest incident of each alert that fires, or that ended at most `keepUs` ago, and which of them inhibit a change.
 *
 * Rules may inhibit each other in a circle. In a circle, only earlier incidents inhibit an incident, so the earliest is
 * notified and inhibits the others.
 */
export class SourceIncidents {
  readonly #keepUs: number;
  readonly #rules = new Map<string, RuleSources>();
  readonly #ended = new Set<SourceIncident>();
  /** Cache: the rules that match a pattern. Cleared when the set of rules with incidents changes. */
  readonly #matching = new Map<string, readonly string[]>();
  /** Cache: whether the patterns of one rule lead to another rule. Cleared with `#matching`. */
  readonly #leads = new Map<string, boolean>();

  constructor(keepUs: number) {
    this.#keepUs = keepUs;
  }

  apply(logged: LoggedChange, nowUs: number): void {
    const { alert, storedAtUs, change } = logged;
    if (change.state === "firing") this.#add({ alert, change, sinceUs: storedAtUs, endedAtUs: undefined });
    if (change.state !== "resolved") return;
    const known = this.#rules.get(change.rule)?.get(alert);
    if (known?.change.incident === change.incident) {
      known.endedAtUs = storedAtUs;
      this.#ended.add(known);
    } else if (storedAtUs + this.#keepUs > nowUs) {
      // After a start only the end of the incident is known.
      this.#add({ alert, change, sinceUs: change.activeAtUs, endedAtUs: storedAtUs });
    }
  }

  /** Drops incidents that ended more than `keepUs` ago. */
  prune(nowUs: number): void {
    for (const source of this.#ended) {
      if (source.endedAtUs !== undefined && nowUs >= source.endedAtUs + this.#keepUs) this.#remove(source);
    }
  }

  /** The incidents that inhibit a change, at most ten; `counts` selects which sources are considered. */
  inhibiting(change: AlertChange, counts: (source: SourceIncident) => boolean): string[] {
    const found = new Set<string>();
    for (const { rule: pattern, equal } of change.inhibitedBy ?? []) {
      for (const rule of this.#rulesMatching(pattern)) {
        if (rule === change.rule) continue;
        for (const source of this.#rules.get(rule)?.withEqual(change, equal) ?? []) {
          if (!counts(source) || this.#isLaterInCircle(source.change, change)) continue;
          found.add(source.change.incident);
          if (found.size === NAMED_MAX) return [...found];
        }
      }
    }
    return [...found];
  }

  /**
   * Whether the change's rule itself inhibits the source's rule, directly or through other rules, and the source
   * began later.
   */
  #isLaterInCircle(source: AlertChange, change: AlertChange): boolean {
    if (!this.#leadsTo(source.rule, change.rule)) return false;
    if (source.activeAtUs !== change.activeAtUs) return source.activeAtUs > change.activeAtUs;
    return source.incident > change.incident;
  }

  #leadsTo(from: string, to: string): boolean {
    const name = JSON.stringify([from, to]);
    const known = this.#leads.get(name);
    if (known !== undefined) return known;
    const reached = new Set([from]);
    for (const rule of reached) {
      for (const pattern of this.#rules.get(rule)?.patterns ?? []) {
        if (globMatches(pattern, to)) reached.add(to);
        for (const next of this.#rulesMatching(pattern)) reached.add(next);
      }
      if (reached.has(to)) break;
    }
    this.#leads.set(name, reached.has(to));
    return reached.has(to);
  }

  #rulesMatching(pattern: string): readonly string[] {
    const known = this.#matching.get(pattern);
    if (known !== undefined) return known;
    const matching = [...this.#rules.keys()].filter((rule) => globMatches(pattern, rule));
    this.#matching.set(pattern, matching);
    return matching;
  }

  #add(source: SourceIncident): void {
    const { alert, change } = source;
    const before = this.#rules.get(change.rule)?.get(alert);
    if (before !== undefined) this.#remove(before);
    let sources = this.#rules.get(change.rule);
    if (sources === undefined) {
      sources = new RuleSources();
      this.#rules.set(change.rule, sources);
      this.#dropCaches();
    }
    if (sources.add(source)) this.#leads.clear();
    if (source.endedAtUs !== undefined) this.#ended.add(source);
  }

  #remove(source: SourceIncident): void {
    const { rule } = source.change;
    this.#ended.delete(source);
    const sources = this.#rules.get(rule);
    sources?.remove(source);
    if (sources?.size !== 0) return;
    this.#rules.delete(rule);
    this.#dropCaches();
  }

  #dropCaches(): void {
    this.#matching.clear();
    this.#leads.clear();
  }
}

import type { AlertChange } from "../../domain/alert.ts";
import { labelOf } from "../routing/matchers.ts";

/** An incident that fires, or has ended lately. */
export interface Source {
  readonly alert: string;
  readonly change: AlertChange;
  /** When the log took its beginning; where only its end is known, its own time. */
  readonly sinceUs: number;
  endedAtUs: number | undefined;
}

interface Index {
  readonly labels: readonly string[];
  readonly byValues: Map<string, Set<Source>>;
}

/** The incidents of one rule, found by the labels that others ask for. */
export class SourcesOfRule {
  /**
   * What inhibits this rule, as any of its incidents says. It only grows while there is an incident: after an edit of the
   * rule its older incidents still mean what it said before.
   */
  readonly patterns = new Set<string>();
  readonly #byAlert = new Map<string, Source>();
  readonly #indexes = new Map<string, Index>();

  get size(): number {
    return this.#byAlert.size;
  }

  get(alert: string): Source | undefined {
    return this.#byAlert.get(alert);
  }

  /** Whether it brought a new pattern. */
  add(source: Source): boolean {
    this.#byAlert.set(source.alert, source);
    for (const index of this.#indexes.values()) addTo(index, source);
    const before = this.patterns.size;
    for (const { rule } of source.change.inhibitedBy ?? []) this.patterns.add(rule);
    return this.patterns.size > before;
  }

  remove(source: Source): void {
    this.#byAlert.delete(source.alert);
    for (const { labels, byValues } of this.#indexes.values()) {
      const values = valuesOf(source.change, labels);
      const set = values === undefined ? undefined : byValues.get(values);
      set?.delete(source);
      if (values !== undefined && set?.size === 0) byValues.delete(values);
    }
  }

  /** Those that have the same values of these labels. One that either side lacks agrees with nothing. */
  agreeing(change: AlertChange, labels: readonly string[]): Iterable<Source> {
    const values = valuesOf(change, labels);
    if (values === undefined) return [];
    return this.#indexOf(labels).byValues.get(values) ?? [];
  }

  #indexOf(labels: readonly string[]): Index {
    const name = JSON.stringify(labels);
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    const index: Index = { labels, byValues: new Map() };
    for (const source of this.#byAlert.values()) addTo(index, source);
    this.#indexes.set(name, index);
    return index;
  }
}

function addTo({ labels, byValues }: Index, source: Source): void {
  const values = valuesOf(source.change, labels);
  if (values === undefined) return;
  const set = byValues.get(values);
  if (set === undefined) byValues.set(values, new Set([source]));
  else set.add(source);
}

function valuesOf(change: AlertChange, labels: readonly string[]): string | undefined {
  const values = labels.map((name) => labelOf(change, name));
  return values.includes(undefined) ? undefined : JSON.stringify(values);
}

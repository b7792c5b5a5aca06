import type { AlertChange } from "../../domain/alert.ts";
import { labelOf } from "../common/matchers.ts";

/** An incident that may inhibit others: it fires, or ended recently. */
export interface SourceIncident {
  readonly alert: string;
  readonly change: AlertChange;
  /** When the log stored its beginning; if only its end is known, the event time of its beginning. */
  readonly sinceUs: number;
  endedAtUs: number | undefined;
}

interface LabelIndex {
  readonly labels: readonly string[];
  readonly byValues: Map<string, Set<SourceIncident>>;
}

/** The source incidents of one rule, indexed by the labels that `equal` names. */
export class RuleSources {
  /**
   * The patterns of this rule's own `inhibited_by`, from all its incidents. The set only grows while incidents exist:
   * after an edit of the rule, older incidents keep the patterns that they began with.
   */
  readonly patterns = new Set<string>();
  readonly #byAlert = new Map<string, SourceIncident>();
  readonly #indexes = new Map<string, LabelIndex>();

  get size(): number {
    return this.#byAlert.size;
  }

  get(alert: string): SourceIncident | undefined {
    return this.#byAlert.get(alert);
  }

  /** Returns whether the incident added a new pattern. */
  add(source: SourceIncident): boolean {
    this.#byAlert.set(source.alert, source);
    for (const index of this.#indexes.values()) addTo(index, source);
    const before = this.patterns.size;
    for (const { rule } of source.change.inhibitedBy ?? []) this.patterns.add(rule);
    return this.patterns.size > before;
  }

  remove(source: SourceIncident): void {
    this.#byAlert.delete(source.alert);
    for (const { labels, byValues } of this.#indexes.values()) {
      const values = valuesOf(source.change, labels);
      const set = values === undefined ? undefined : byValues.get(values);
      set?.delete(source);
      if (values !== undefined && set?.size === 0) byValues.delete(values);
    }
  }

  /** Incidents with the same values of these labels. A label missing on either side is never equal. */
  withEqual(change: AlertChange, labels: readonly string[]): Iterable<SourceIncident> {
    const values = valuesOf(change, labels);
    if (values === undefined) return [];
    return this.#indexOf(labels).byValues.get(values) ?? [];
  }

  #indexOf(labels: readonly string[]): LabelIndex {
    const name = JSON.stringify(labels);
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    const index: LabelIndex = { labels, byValues: new Map() };
    for (const source of this.#byAlert.values()) addTo(index, source);
    this.#indexes.set(name, index);
    return index;
  }
}

function addTo({ labels, byValues }: LabelIndex, source: SourceIncident): void {
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

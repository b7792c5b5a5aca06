const SHOWN_MAX = 8;

/** Differences between what happened and what may happen: all are counted, the first ones of each kind are described. */
export class Differences {
  readonly #counts = new Map<string, number>();
  readonly #described: string[] = [];
  /** Where the run is, for the descriptions. */
  readonly #context: () => string;

  constructor(context: () => string = () => "") {
    this.#context = context;
  }

  add(kind: string, what: string): void {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    if (count > SHOWN_MAX) return;
    const context = this.#context();
    this.#described.push(`${kind}: ${what}${context === "" ? "" : ` (${context})`}`);
  }

  /** Empty when everything is correct. */
  list(): string[] {
    const more = [...this.#counts].filter(([, count]) => count > SHOWN_MAX);
    return [...this.#described, ...more.map(([kind, count]) => `${kind}: ${count} in all`)];
  }
}

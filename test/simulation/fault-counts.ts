/** Counts the injected faults of each kind. */
export class FaultCounts {
  readonly #counts = new Map<string, number>();

  add(fault: string, times = 1): void {
    this.#counts.set(fault, (this.#counts.get(fault) ?? 0) + times);
  }

  addAll(others: FaultCounts): void {
    for (const [fault, times] of others.#counts) this.add(fault, times);
  }

  /** By name. */
  get entries(): readonly (readonly [string, number])[] {
    return [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** One line per fault. */
  toString(): string {
    return this.entries.map(([fault, times]) => `${String(times).padStart(10)}  ${fault}`).join("\n");
  }
}

import type { Differences } from "./differences.ts";

/**
 * What must become of the will of one connection.
 * - `due`: the connection broke, and its client stays away until the will has come.
 * - `never`: the client closed the connection, or came back before the delay was over.
 * - `either`: the end of the broker makes both right.
 */
export type Fate = "due" | "never" | "either";

interface Will {
  fate: Fate;
  count: number;
}

/** The will of a connection is sent once, or not at all. */
export class Wills {
  readonly #differences: Differences;
  readonly #wills = new Map<string, Will>();

  constructor(differences: Differences) {
    this.#differences = differences;
  }

  get received(): number {
    return [...this.#wills.values()].filter(({ count }) => count > 0).length;
  }

  /** Before the CONNECT that carries it is sent. */
  carried(name: string): void {
    this.#wills.set(name, { fate: "either", count: 0 });
  }

  decide(name: string, fate: Fate): void {
    const will = this.#wills.get(name);
    if (will === undefined) throw new Error(`no will ${name}`);
    will.fate = fate;
    if (fate === "never" && will.count > 0) this.#differences.add("will sent although its client returned", name);
  }

  receive(name: string): void {
    const will = this.#wills.get(name);
    if (will === undefined) {
      this.#differences.add("will that no connection had", name);
      return;
    }
    will.count += 1;
    if (will.count > 1) this.#differences.add("will sent twice", name);
    if (will.fate === "never") this.#differences.add("will sent although its client returned or closed", name);
  }

  hasCome(name: string): boolean {
    return (this.#wills.get(name)?.count ?? 0) > 0;
  }

  /** Wills that must come and have not come yet. */
  missing(): string[] {
    return [...this.#wills].filter(([, { fate, count }]) => fate === "due" && count === 0).map(([name]) => name);
  }

  finish(): void {
    for (const name of this.missing()) this.#differences.add("will lost", name);
  }
}

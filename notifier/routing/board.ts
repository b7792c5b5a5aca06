import { type ChangeEntry, isEnd } from "../common/change-entry.ts";

/** The newest change of every alert that is pending or firing. */
export class Board {
  readonly #open = new Map<string, ChangeEntry>();

  apply(entry: ChangeEntry): void {
    if (isEnd(entry.change)) this.#open.delete(entry.alert);
    else this.#open.set(entry.alert, entry);
  }

  alert(name: string): ChangeEntry | undefined {
    return this.#open.get(name);
  }

  incident(id: string): ChangeEntry | undefined {
    return this.entries().find(({ change }) => change.incident === id);
  }

  entries(): ChangeEntry[] {
    return [...this.#open.values()];
  }
}

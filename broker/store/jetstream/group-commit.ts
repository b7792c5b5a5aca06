import { asError } from "../../../domain/reason.ts";

export interface GroupCommitOptions<Item, Result> {
  /** The first item of a quiet time waits this long for others. */
  readonly gatherMs: number;
  /** A group ends before it weighs more; a single item may. */
  readonly weightMax: number;
  readonly weightOf: (item: Item) => number;
  /** Stores a group: the outcome of each item, in their order. */
  readonly commit: (items: readonly Item[]) => Promise<readonly PromiseSettledResult<Result>[]>;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Stores what gathers in a few ms in one step, one group after the other: items keep their order. */
export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  #isBusy = false;
  #closedBy: Error | undefined;

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options;
  }

  add(item: Item): Promise<Result> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#isBusy) return;
      this.#isBusy = true;
      setTimeout(() => void this.#run(), this.#options.gatherMs);
    });
  }

  /** What waits and what comes rejects. A group in flight is not awaited. */
  close(error: Error): void {
    this.#closedBy = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup();
      try {
        const results = await this.#options.commit(group.map(({ item }) => item));
        for (const [i, { resolve, reject }] of group.entries()) {
          const result = results[i];
          if (result?.status === "fulfilled") resolve(result.value);
          else reject(asError(result?.reason));
        }
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#isBusy = false;
  }

  #nextGroup(): readonly Waiting<Item, Result>[] {
    const { weightMax, weightOf } = this.#options;
    let weight = 0;
    const end = this.#waiting.findIndex(({ item }, i) => {
      weight += weightOf(item);
      return i > 0 && weight > weightMax;
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }
}

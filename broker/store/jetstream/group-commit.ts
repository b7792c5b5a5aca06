import { asError } from "../../../domain/reason.ts";

export interface GroupCommitOptions<Item, Result> {
  /** The first item of a quiet time waits this long for others. */
  readonly gatherMs: number;
  /** A group ends before it weighs more; a single item may. */
  readonly weightMax: number;
  readonly weightOf: (item: Item) => number;
  /** Whose an item is: they take turns. Default: all are one's. */
  readonly ownerOf?: (item: Item) => string;
  /** Stores a group: the outcome of each item, in their order. */
  readonly commit: (items: readonly Item[]) => Promise<readonly PromiseSettledResult<Result>[]>;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Stores what gathers in a few ms in one step, one group after the other. The items of an owner keep their order, and
 * none waits behind the many of another.
 */
export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>;
  /** By owner; the next one's turn is first. */
  readonly #waiting = new Map<string, Queue<Waiting<Item, Result>>>();
  #isBusy = false;
  #closedBy: Error | undefined;

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options;
  }

  add(item: Item): Promise<Result> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy);
    return new Promise((resolve, reject) => {
      const owner = this.#options.ownerOf?.(item) ?? "";
      const waiting = { item, resolve, reject };
      const own = this.#waiting.get(owner);
      if (own === undefined) this.#waiting.set(owner, { items: [waiting], next: 0, credit: 0 });
      else own.items.push(waiting);
      if (this.#isBusy) return;
      this.#isBusy = true;
      setTimeout(() => void this.#run(), this.#options.gatherMs);
    });
  }

  /** What waits and what comes rejects. A group in flight is not awaited. */
  close(error: Error): void {
    this.#closedBy = error;
    const queues = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { items, next } of queues) for (const { reject } of items.slice(next)) reject(error);
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
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

  /**
   * Deficit round robin (Shreedhar and Varghese 1995): in each round an owner may send the same weight more, and what
   * it did not use counts in the next. So an owner of light items is not held up by those of heavy ones.
   */
  #nextGroup(): readonly Waiting<Item, Result>[] {
    const { weightMax, weightOf } = this.#options;
    const group: Waiting<Item, Result>[] = [];
    let weight = 0;
    // The loop reaches an owner again, after the others, as long as it has more.
    for (const [owner, own] of this.#waiting) {
      let next = own.items[own.next];
      let ofNext = next === undefined ? 0 : weightOf(next.item);
      if (ofNext > own.credit) own.credit += weightMax / TURNS;
      for (; next !== undefined && ofNext <= own.credit; ofNext = next === undefined ? 0 : weightOf(next.item)) {
        if (group.length > 0 && weight + ofNext > weightMax) return group;
        group.push(next);
        weight += ofNext;
        own.credit -= ofNext;
        own.next++;
        next = own.items[own.next];
      }
      this.#waiting.delete(owner);
      if (next !== undefined) this.#waiting.set(owner, forgotten(own));
    }
    return group;
  }
}

/** A group has room for the turns of this many owners, or more. */
const TURNS = 16;

interface Queue<Each> {
  items: Each[];
  next: number;
  /** The weight that it may send now. */
  credit: number;
}

const FORGOTTEN_MIN = 1_000;

/** Without what was taken, once that is most of it. */
function forgotten<Each>(queue: Queue<Each>): Queue<Each> {
  const { items, next } = queue;
  return next < FORGOTTEN_MIN || next * 2 < items.length ? queue : { ...queue, items: items.slice(next), next: 0 };
}

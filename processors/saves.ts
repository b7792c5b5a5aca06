/** Freezing the state keeps the thread busy for at most one part in this many of the time. */
const FREEZE_RARITY = 50;
/** While a task catches up, doing it all again after another death would cost more. */
const FREEZE_RARITY_BEHIND = 10;
/** Writing states takes at most one part in this many of the time, */
const SAVE_RARITY = 4;
/** but where the log is slow, a state is still written this many times the wanted interval after the one before. */
const INTERVALS_MAX = 6;

/** How long a save kept the thread busy, and how long writing it took. */
export interface SaveTimes {
  readonly busyMs: number;
  readonly writtenMs: number;
}

export const NOTHING_SAVED: SaveTimes = { busyMs: 0, writtenMs: 0 };

interface SavesOptions {
  readonly intervalMs: number;
  /** Saves the state as it is now. */
  readonly save: () => Promise<SaveTimes>;
  readonly onFailed: (error: unknown) => void;
}

/** When the states of a task are saved: one after another, in time, and as soon as it has caught up with the log. */
export class Saves {
  readonly #options: SavesOptions;
  #saving: Promise<SaveTimes> = Promise.resolve(NOTHING_SAVED);
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #behind = true;

  constructor(options: SavesOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = true;
    this.#saveIn(this.#options.intervalMs);
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** The next save is due: a process that died once may die again soon, and would replay all of it again. */
  caughtUp(): void {
    if (!this.#behind) return;
    this.#behind = false;
    // A running save ends first.
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#saveIn(0);
  }

  /** Saves the state, after any running save. */
  async save(): Promise<SaveTimes> {
    await this.#saving;
    this.#saving = this.#options.save();
    return await this.#saving;
  }

  #saveIn(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#saveInTime().catch(this.#options.onFailed);
    }, ms);
  }

  async #saveInTime(): Promise<void> {
    const wasBehind = this.#behind;
    const times = await this.save();
    if (!this.#running) return;
    if (wasBehind && !this.#behind) this.#saveIn(0);
    else this.#saveIn(pauseAfter(times, this.#options.intervalMs, this.#behind));
  }
}

/**
 * The pause before the next save: the wanted interval, and longer the longer freezing and writing took. Waiting for
 * results to be published does not count: where the log is slow, rare saves would only make the next replay long.
 */
function pauseAfter({ busyMs, writtenMs }: SaveTimes, intervalMs: number, isBehind: boolean): number {
  const rareMs = Math.min(writtenMs * SAVE_RARITY, intervalMs * INTERVALS_MAX);
  return Math.max(intervalMs, busyMs * (isBehind ? FREEZE_RARITY_BEHIND : FREEZE_RARITY), rareMs);
}

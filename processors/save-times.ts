/** Freezing the state keeps the thread busy for at most one part in this many of the time. */
const FREEZE_RARITY = 50;
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

/**
 * The pause before the next save: the wanted interval, and longer the longer freezing and writing took. Waiting for
 * results to be published does not count: where the log is slow, rare saves would only make the next replay long.
 */
export function pauseAfter({ busyMs, writtenMs }: SaveTimes, intervalMs: number): number {
  const rareMs = Math.min(writtenMs * SAVE_RARITY, intervalMs * INTERVALS_MAX);
  return Math.max(intervalMs, busyMs * FREEZE_RARITY, rareMs);
}

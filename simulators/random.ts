/** A repeatable source of random numbers: the same seed yields the same sequence everywhere. */
export interface Random {
  /** Uniform in `[0, 1)`. */
  next(): number;
  /** Normal with mean 0 and standard deviation 1. */
  normal(): number;
  /** True with this probability. Draws a number even for 0 and 1, so that one setting does not shift the others. */
  chance(probability: number): boolean;
}

/** Mulberry32, by Tommy Ettinger (public domain): small, fast, and random enough for noise and jitter. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  return {
    next,
    // Box-Muller; 1 - next() is never 0, whose logarithm would be infinite.
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    chance: (probability) => next() < probability,
  };
}

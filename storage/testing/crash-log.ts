import type { Reading } from "../../domain/reading.ts";

const T0 = 1_763_769_600_000_000;
export const READINGS_PER_FRAME = 40;

/** Frame number `i` of the log: new readings, unordered, each twice, and two of the frame before. */
export function frameReadings(i: number): readonly Reading[] {
  const own = Array.from({ length: READINGS_PER_FRAME }, (_, k) =>
    reading(i * READINGS_PER_FRAME + ((k * 7) % READINGS_PER_FRAME)),
  );
  const again = i > 1 ? [reading((i - 1) * READINGS_PER_FRAME), reading(i * READINGS_PER_FRAME - 1)] : [];
  return [...own, ...again, ...own];
}

function reading(n: number): Reading {
  return { device: `d${n % 5}`, metric: "t", tags: {}, atUs: T0 + n, value: n };
}

/** The time of this machine. Only the edge reads it; the step never does. */
export interface Clock {
  nowUs(): number;
}

export const systemClock: Clock = { nowUs: () => Math.round((performance.timeOrigin + performance.now()) * 1000) };

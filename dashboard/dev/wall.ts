import type { DeviceItem, ReadingItem } from "../../contracts/feed/protocol.ts";
import type { SeriesAnswer } from "../../contracts/history.ts";
import type { MockQuery } from "./mock-world.ts";

export const WALL = "wall";
export const WALL_EVERY_MS = 100;

const TAGS = { site: "load" };

/** A device with many metrics. All of them change ten times a second, and always have. */
export class Wall {
  readonly #metrics: number;
  readonly #nowUs: () => number;

  constructor(metrics: number, nowUs: () => number) {
    this.#metrics = metrics;
    this.#nowUs = nowUs;
  }

  readings(): ReadingItem[] {
    const atUs = this.#nowUs();
    return Array.from({ length: this.#metrics }, (_, index) => ({
      device: WALL,
      metric: `metric-${index + 1}`,
      tags: TAGS,
      atUs,
      value: valueAt(index, atUs),
    }));
  }

  device(): DeviceItem {
    const newest = this.readings().map(({ metric, atUs, value }) => [metric, { atUs, value }]);
    const nowUs = this.#nowUs();
    const seen = { lastSeenUs: nowUs, silentFromUs: nowUs + 10_000_000 };
    const about = { device: WALL, tags: TAGS, ...seen, readings: 1, clockAhead: 0 };
    return { ...about, metrics: Object.fromEntries(newest) };
  }

  series(metric: string, { fromUs, toUs, points }: MockQuery): SeriesAnswer {
    const index = Number(metric.slice("metric-".length)) - 1;
    const bucketUs = Math.max(WALL_EVERY_MS * 1000, Math.ceil((toUs - fromUs) / points));
    const count = Math.round(bucketUs / (WALL_EVERY_MS * 1000));
    const answer: Record<keyof SeriesAnswer, number[]> = { atUs: [], min: [], max: [], avg: [], count: [] };
    for (let atUs = fromUs; atUs < Math.min(toUs, this.#nowUs()); atUs += bucketUs) {
      const value = valueAt(index, atUs);
      answer.atUs.push(atUs);
      answer.min.push(value - 2);
      answer.max.push(value + 2);
      answer.avg.push(value);
      answer.count.push(count);
    }
    return answer;
  }
}

function valueAt(index: number, atUs: number): number {
  return 50 + 20 * Math.sin(atUs / 3e6 + index) + 5 * Math.sin(atUs / 2e5 + index * 7);
}

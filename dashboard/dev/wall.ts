import type { DeviceItem, ReadingItem } from "../../contracts/feed/protocol.ts";
import type { SeriesAnswer } from "../../contracts/history.ts";

export const WALL = "wall";
export const WALL_EVERY_MS = 100;

/** One more device, with so many metrics that change ten times a second, and that have always done so. */
export interface Wall {
  readings(): ReadingItem[];
  device(): DeviceItem;
  series(metric: string, fromUs: number, toUs: number, points: number): SeriesAnswer;
}

export function createWall(options: { readonly metrics: number; readonly nowUs: () => number }): Wall {
  const { metrics, nowUs } = options;
  const tags = { site: "load" };

  function readings(): ReadingItem[] {
    const atUs = nowUs();
    return Array.from({ length: metrics }, (_, index) => ({
      device: WALL,
      metric: `metric-${index + 1}`,
      tags,
      atUs,
      value: valueAt(index, atUs),
    }));
  }

  return {
    readings,
    device() {
      const newest = readings().map(({ metric, atUs, value }) => [metric, { atUs, value }]);
      const about = { device: WALL, tags, lastSeenUs: nowUs(), readings: 1, clockAhead: 0 };
      return { ...about, metrics: Object.fromEntries(newest) };
    },
    series(metric, fromUs, toUs, points) {
      const index = Number(metric.slice("metric-".length)) - 1;
      const bucketUs = Math.max(WALL_EVERY_MS * 1000, Math.ceil((toUs - fromUs) / points));
      const count = Math.round(bucketUs / (WALL_EVERY_MS * 1000));
      const answer: Record<keyof SeriesAnswer, number[]> = { atUs: [], min: [], max: [], avg: [], count: [] };
      for (let atUs = fromUs; atUs < Math.min(toUs, nowUs()); atUs += bucketUs) {
        const value = valueAt(index, atUs);
        answer.atUs.push(atUs);
        answer.min.push(value - 2);
        answer.max.push(value + 2);
        answer.avg.push(value);
        answer.count.push(count);
      }
      return answer;
    },
  };
}

function valueAt(index: number, atUs: number): number {
  return 50 + 20 * Math.sin(atUs / 3e6 + index) + 5 * Math.sin(atUs / 2e5 + index * 7);
}

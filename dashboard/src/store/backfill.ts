import type { SeriesAnswer } from "../../../platform/history.ts";
import type { LoadSeries } from "./device-detail.ts";
import { SPARK_POINTS } from "./devices.ts";

const DAY_US = 86_400_000_000;
const ASKED_MAX = 20_000;

/** Fills the small charts with what came before the page was opened, once for each that is looked at. */
export interface Backfill {
  want(device: string, metric: string, newestUs: number): void;
  /** Small charts that failed to fill may be asked for again. */
  retry(): void;
}

export function createBackfill(options: {
  readonly loadSeries: LoadSeries;
  readonly deliver: (device: string, metric: string, answer: SeriesAnswer) => void;
}): Backfill {
  const { loadSeries, deliver } = options;
  const asked = new Set<string>();
  const failed = new Set<string>();

  async function load(device: string, metric: string, newestUs: number): Promise<void> {
    const toUs = newestUs + 1;
    const day = await loadSeries({ device, metric, fromUs: toUs - DAY_US, toUs, points: SPARK_POINTS });
    const readings = day.count.reduce((sum, count) => sum + count, 0);
    if (readings <= SPARK_POINTS) {
      deliver(device, metric, day);
      return;
    }
    // Live readings join what is filled in here, so it must have their pace: ask for a shorter time.
    const spanUs = Math.max(1_000_000, Math.round((DAY_US / readings) * SPARK_POINTS));
    deliver(device, metric, await loadSeries({ device, metric, fromUs: toUs - spanUs, toUs, points: SPARK_POINTS }));
  }

  return {
    want(device, metric, newestUs) {
      const key = `${device}\u0000${metric}`;
      if (asked.has(key) || asked.size >= ASKED_MAX || !Number.isFinite(newestUs)) return;
      asked.add(key);
      load(device, metric, newestUs).catch(() => failed.add(key));
    },
    retry() {
      for (const key of failed) asked.delete(key);
      failed.clear();
    },
  };
}

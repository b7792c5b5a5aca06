import type { LoadSeries } from "./device-detail.ts";
import { type DeviceStore, SPARK_POINTS } from "./devices.ts";

const DAY_US = 86_400_000_000;
/** Small charts that are kept: more than any screen shows. Of thousands of devices, most are never looked at. */
export const SPARKS_MAX = 1_000;

/** Keeps the small charts that are looked at, and fills each once with what came before the page was opened. */
export interface Backfill {
  want(device: string, metric: string, newestUs: number): void;
  /** Small charts that failed to fill may be asked for again. */
  retry(): void;
}

interface Spark {
  readonly device: string;
  readonly metric: string;
  state: "new" | "asked" | "failed";
}

export function createBackfill(options: {
  readonly loadSeries: LoadSeries;
  readonly sparks: Pick<DeviceStore, "keep" | "drop" | "fill">;
}): Backfill {
  const { loadSeries, sparks } = options;
  /** Those looked at last come last. */
  const wanted = new Map<string, Spark>();

  async function load(device: string, metric: string, newestUs: number): Promise<void> {
    const toUs = newestUs + 1;
    const day = await loadSeries({ device, metric, fromUs: toUs - DAY_US, toUs, points: SPARK_POINTS });
    const readings = day.count.reduce((sum, count) => sum + count, 0);
    if (readings <= SPARK_POINTS) {
      sparks.fill(device, metric, day);
      return;
    }
    // Live readings join what is filled in here, so it must have their pace: ask for a shorter time.
    const spanUs = Math.max(1_000_000, Math.round((DAY_US / readings) * SPARK_POINTS));
    sparks.fill(
      device,
      metric,
      await loadSeries({ device, metric, fromUs: toUs - spanUs, toUs, points: SPARK_POINTS }),
    );
  }

  function forgetOldest(): void {
    const oldest = wanted.entries().next();
    if (oldest.done || wanted.size <= SPARKS_MAX) return;
    const [key, { device, metric }] = oldest.value;
    wanted.delete(key);
    sparks.drop(device, metric);
  }

  return {
    want(device, metric, newestUs) {
      if (!Number.isFinite(newestUs)) return;
      const key = `${device}\u0000${metric}`;
      // A device that was gone and is back begins anew.
      const begun = sparks.keep(device, metric);
      const before = wanted.get(key);
      const spark: Spark = before === undefined || begun ? { device, metric, state: "new" } : before;
      wanted.delete(key);
      wanted.set(key, spark);
      forgetOldest();
      if (spark.state !== "new") return;
      spark.state = "asked";
      load(device, metric, newestUs).catch(() => {
        spark.state = "failed";
      });
    },
    retry() {
      for (const spark of wanted.values()) if (spark.state === "failed") spark.state = "new";
    },
  };
}

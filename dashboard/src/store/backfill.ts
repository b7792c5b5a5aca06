import type { LoadSeries } from "./device-detail.ts";
import { type DeviceEntry, type DeviceStore, SPARK_POINTS } from "./devices.ts";

const DAY_US = 86_400_000_000;
/** Bounded: more small charts than any screen shows. With thousands of devices, most are never on the screen. */
export const SPARKS_MAX = 1_000;

/**
 * Keeps the values of the small charts on the screen. Fills each chart once, with values from before the page was
 * opened.
 */
export interface Backfill {
  want(device: ShownDevice, metric: string, newestUs: number): void;
  /** Tries again to fill the small charts that could not be filled. */
  retry(): void;
}

/** A device of the list. */
export type ShownDevice = Pick<DeviceEntry, "id" | "name" | "tags">;

interface Spark {
  readonly device: ShownDevice;
  readonly metric: string;
  state: "new" | "asked" | "failed";
}

export function createBackfill(options: {
  readonly loadSeries: LoadSeries;
  readonly sparks: Pick<DeviceStore, "keep" | "drop" | "fill">;
}): Backfill {
  const { loadSeries, sparks } = options;
  /** In the order in which they were last shown. */
  const wanted = new Map<string, Spark>();

  async function load({ device: { id, name, tags }, metric }: Spark, newestUs: number): Promise<void> {
    const toUs = newestUs + 1;
    const series = { device: name, tags, metric };
    const day = await loadSeries({ ...series, fromUs: toUs - DAY_US, toUs, points: SPARK_POINTS });
    const readings = day.count.reduce((sum, count) => sum + count, 0);
    if (readings <= SPARK_POINTS) {
      sparks.fill(id, metric, day);
      return;
    }
    // Live readings continue these points, so both need the same pace: load a shorter span.
    const spanUs = Math.max(1_000_000, Math.round((DAY_US / readings) * SPARK_POINTS));
    sparks.fill(id, metric, await loadSeries({ ...series, fromUs: toUs - spanUs, toUs, points: SPARK_POINTS }));
  }

  function dropOldest(): void {
    const oldest = wanted.entries().next();
    if (oldest.done || wanted.size <= SPARKS_MAX) return;
    const [key, { device, metric }] = oldest.value;
    wanted.delete(key);
    sparks.drop(device.id, metric);
  }

  return {
    want(device, metric, newestUs) {
      if (!Number.isFinite(newestUs)) return;
      const key = `${device.id}\u0000${metric}`;
      // A device that left and came back starts over.
      const isNew = sparks.keep(device.id, metric);
      const before = wanted.get(key);
      const spark: Spark = before === undefined || isNew ? { device, metric, state: "new" } : before;
      wanted.delete(key);
      wanted.set(key, spark);
      dropOldest();
      if (spark.state !== "new") return;
      spark.state = "asked";
      load(spark, newestUs).catch(() => {
        spark.state = "failed";
      });
    },
    retry() {
      for (const spark of wanted.values()) if (spark.state === "failed") spark.state = "new";
    },
  };
}

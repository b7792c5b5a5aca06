import { z } from "zod";
import { keyedReport, type Plain } from "./question.ts";

// What each service publishes about itself, every second.

const statsSchema = z.object({
  /** Names the process or thread: `edge-4711`. */
  instance: z.string().min(1).max(200),
  atUs: z.number(),
  /**
   * As `registry.getMetricsAsJSON()` returns them. Each is parsed separately, so that one bad figure does not cost
   * the others.
   */
  metrics: z.array(z.unknown()).max(5_000),
});

/** The figures of one process or thread, on `stats.<instance>`. */
export const STATS = keyedReport("stats", statsSchema);

const healthSchema = z.object({
  /** The service: `storage`. */
  name: z.string(),
  health: z.object({
    /** Able to do its work. */
    ready: z.boolean(),
    /** Why it is not ready. */
    detail: z.string(),
    /** The service works, but a person should look into this. Anyone who may ask `/readyz` sees it. */
    notice: z.string().exactOptional(),
  }),
});

/** The health of a service, on `health.<instance>`. */
export const HEALTH = keyedReport("health", healthSchema);
export type HealthReport = Plain<z.infer<typeof healthSchema>>;
export type Health = HealthReport["health"];

import { z } from "zod";
import { durationField } from "../platform/files/schemas.ts";

export const processorsConfigSchema = z.strictObject({
  rules_dir: z.string().min(1).describe("The folder with the rule files."),
  tick: durationField("50ms", "1m")
    .prefault("1s")
    .describe(
      "How long a quiet partition waits before its time advances. Windows of silent sensors close that much later.",
    ),
  checkpoint: durationField("100ms", "10m")
    .prefault("10s")
    .describe("How often a partition's state is saved, if it changed. A restart replays the log from there."),
  lease: durationField("1s", "10m")
    .prefault("4s")
    .describe(
      "With several processors: after this long without a beat from one, the others take over its work; at once when they see its process end, on the same machine.",
    ),
  results_per_frame_max: z
    .int()
    .min(1)
    .max(100_000)
    .default(2_000)
    .describe("Window results in one message to the log."),
});

export type ProcessorsConfig = z.output<typeof processorsConfigSchema>;

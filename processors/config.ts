import { z } from "zod";

export const processorsConfigSchema = z.strictObject({
  rulesDir: z.string().min(1).describe("The folder with the rule files."),
  tickMs: z.int().min(50).max(60_000).default(1_000).describe("How soon time goes on in a quiet partition."),
  checkpointMs: z
    .int()
    .min(100)
    .max(600_000)
    .default(10_000)
    .describe("How often a partition's state is saved, when it changed."),
  leaseMs: z
    .int()
    .min(1_000)
    .max(600_000)
    .default(4_000)
    .describe("Several processors: after this long without a sign of life, the others take over one's work."),
  resultsPerFrameMax: z.int().min(1).max(100_000).default(2_000).describe("The most window results in one message."),
});

export type ProcessorsConfig = z.output<typeof processorsConfigSchema>;

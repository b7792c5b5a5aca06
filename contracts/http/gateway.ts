import { z } from "zod";

// The gateway's answers about itself.

export const healthAnswer = z.object({ status: z.literal("ok") });

const serviceSchema = z.object({
  name: z.string(),
  ready: z.boolean(),
  detail: z.string(),
  notice: z.string().exactOptional().describe("The service works, but a person should look into this."),
});

export const readinessSchema = z.object({
  ready: z.boolean(),
  log: z.object({
    ready: z.boolean(),
    durability: z.enum(["synced", "stored", "replicated", "unknown"]).describe("What an acknowledgement guarantees."),
  }),
  services: z.array(serviceSchema),
});
export type Readiness = z.output<typeof readinessSchema>;

import { z } from "zod";
import { type Plain, question } from "./question.ts";
import { countSchema, nothingSchema } from "./values.ts";

const fileProblemSchema = z.object({
  file: z.string().describe("The file's name."),
  line: z.int().min(1),
  column: z.int().min(1),
  message: z.string().describe("What is wrong and, after a semicolon, how to fix it."),
});

export const sourceWarningSchema = z.object({
  code: z.enum(["time-never-seen", "no-readings"]),
  message: z.string(),
});

export const sourcesSchema = z.object({
  file: z
    .object({
      errors: countSchema.describe("While there are errors, the previous configuration stays in force."),
      problems: z.array(fileProblemSchema).describe("Of many, only the first ones."),
      waiting: z.array(z.string()).describe("Settings that changed and take effect with the next start."),
    })
    .describe("The configuration file, which may differ from the configuration in force."),
  sources: z
    .array(
      z.object({
        topics: z.array(z.string()),
        format: z.string(),
        ignored: z.boolean().describe("The source says that its messages carry no readings."),
        messages: countSchema.describe("Messages that it took since it is in force."),
        readings: countSchema,
        warnings: z.array(sourceWarningSchema).describe("Legal, but probably a mistake."),
      }),
    )
    .describe("In the order in which messages find them."),
});
export type SourcesInForce = Plain<z.infer<typeof sourcesSchema>>;
export type SourceInForce = SourcesInForce["sources"][number];

/** The sources in force, and what is wrong with them; an edge answers. */
export const SOURCES = question("sources", { ask: nothingSchema, answer: sourcesSchema });

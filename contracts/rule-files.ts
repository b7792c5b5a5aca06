import { z } from "zod";
import { type Plain, question } from "./question.ts";
import { countSchema, nothingSchema } from "./values.ts";

const ruleProblemSchema = z.object({
  severity: z.enum(["error", "warning"]),
  code: z.string().exactOptional().describe("`E...` or `W...`, as `weir rules check` prints it."),
  file: z.string().describe("The file's name in the rules folder."),
  line: z.int().min(1),
  column: z.int().min(1),
  message: z.string(),
  help: z.string().exactOptional().describe("How to fix it."),
});

export const ruleFilesSchema = z.object({
  errors: countSchema.describe("While there are errors, the previous rules stay in force."),
  warnings: countSchema.describe("Legal, but surely a mistake; and rules that failed while they ran, and are skipped."),
  quarantined: countSchema.describe("The rules, among these, that failed while they ran, and are skipped."),
  problems: z.array(ruleProblemSchema).describe("Errors first; of many, only the first ones."),
});
export type RuleFiles = Plain<z.infer<typeof ruleFilesSchema>>;

/** The problems of the rule files as they are now; a processor answers. */
export const RULE_FILES = question("rules.files", { ask: nothingSchema, answer: ruleFilesSchema });

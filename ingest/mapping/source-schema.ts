import { sourceFields } from "./source-fields.ts";
import { sourceProblems } from "./source-problems.ts";

/** An entry of `sources`, with everything that is wrong with it. */
export const sourceSchema = sourceFields.superRefine((source, context) => {
  for (const { path, message } of sourceProblems(source))
    context.addIssue({ code: "custom", path: [...path], message });
});

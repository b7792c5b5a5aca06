import { z } from "zod";

/** RFC 9457. */
export const PROBLEM_TYPE = "application/problem+json";

/** The body of every answer that reports an error. */
export const problemSchema = z.object({
  type: z.string().describe("`urn:weir:problem:` and the code."),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe("What is wrong and how to fix it, for people."),
  code: z.string().describe("Names the kind of problem, for programs."),
  errors: z
    .array(z.object({ parameter: z.string(), detail: z.string() }))
    .exactOptional()
    .describe("Which parameters or members are wrong."),
});
export type ProblemDocument = z.output<typeof problemSchema>;

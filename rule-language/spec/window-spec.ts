import { z } from "zod";
import { parseDurationUs, US_PER_DAY } from "../../domain/time.ts";
import { durationUsBetween } from "../../platform/files/schemas.ts";
import { parseAggregate } from "../aggregates/aggregate.ts";
import { wherePattern } from "./where-pattern.ts";

const YEAR_US = 366 * US_PER_DAY;
/** More windows than this in one are no longer cheap to keep. */
const OVERLAP_MAX = 1_000;

/** A duration that stays text: what is checked here is what the log holds. */
export function duration(minUs: number) {
  const bounds = durationUsBetween({ minUs, maxUs: YEAR_US });
  return z.string().superRefine((text, context) => {
    const parsed = bounds.safeParse(text);
    for (const issue of parsed.error?.issues ?? []) context.addIssue({ code: "custom", message: issue.message });
  });
}

export const aggregate = z.string().superRefine((text, context) => {
  const parsed = parseAggregate(text);
  if (typeof parsed === "string") context.addIssue({ code: "custom", message: parsed });
});

export const names = z.record(z.string().min(1), z.union([wherePattern, z.array(wherePattern).min(1)]));
const WINDOW_KINDS = ["tumbling", "hopping", "sliding", "session", "count"] as const;

export const window = z
  .strictObject({
    tumbling: duration(1000)
      .optional()
      .describe("Windows of this length, one after the other, aligned to 1970-01-01 UTC."),
    hopping: duration(1000).optional().describe("Windows of this length, a new one beginning every `every`."),
    every: duration(1000)
      .optional()
      .describe("With `hopping`: how often a window begins; the length is a multiple of it."),
    sliding: duration(1000).optional().describe("With each reading, a window of this length that ends with it."),
    session: duration(1000).optional().describe("Readings less than this apart are of one window."),
    count: z.int().min(1).max(100_000).optional().describe("So many consecutive readings."),
  })
  .superRefine((value, context) => {
    const kinds = WINDOW_KINDS.filter((kind) => value[kind] !== undefined);
    if (kinds.length !== 1) {
      const found = kinds.length === 0 ? "none is" : `${kinds.join(" and ")} are`;
      const message = `must hold one of ${WINDOW_KINDS.join(", ")}; ${found} there`;
      context.addIssue({ code: "custom", message });
    }
    for (const message of hoppingProblems(value)) context.addIssue({ code: "custom", path: ["every"], message });
  });

function* hoppingProblems({
  hopping,
  every,
}: {
  readonly hopping?: string | undefined;
  readonly every?: string | undefined;
}) {
  if (every !== undefined && hopping === undefined) yield "`every` goes with `hopping`";
  if (hopping !== undefined && every === undefined) yield "`hopping` needs `every`: how often a window begins";
  const sizeUs = parseDurationUs(hopping ?? "");
  const everyUs = parseDurationUs(every ?? "");
  if (sizeUs === undefined || everyUs === undefined) return;
  if (sizeUs % everyUs !== 0) yield `the length ${hopping} must be a multiple of every ${every}`;
  else if (sizeUs / everyUs > OVERLAP_MAX)
    yield `at most ${OVERLAP_MAX} windows may overlap; ${hopping} every ${every} makes ${sizeUs / everyUs}`;
}

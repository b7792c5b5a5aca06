import { z } from "zod";
import { addFault, isFault } from "../../platform/files/fault.ts";
import { AGGREGATE_DEFINITIONS, parseAggregate } from "../aggregates/aggregate.ts";
import { AGGREGATE_TEXTS } from "../aggregates/aggregate-texts.ts";

const NAMES = AGGREGATE_DEFINITIONS.flatMap(({ names }) => names).filter((name) => !name.includes("("));
const PATTERNS = AGGREGATE_DEFINITIONS.flatMap(({ pattern }) => pattern ?? []);

/** The name of one aggregate. */
export const aggregate = z
  .string()
  .meta({ anyOf: [{ enum: NAMES }, { type: "string", pattern: `^(${PATTERNS.join("|")})$` }] })
  .superRefine((text, context) => {
    const parsed = parseAggregate(text);
    if (isFault(parsed)) addFault(context, AGGREGATE_TEXTS, parsed);
  });

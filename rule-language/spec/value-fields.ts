import { z } from "zod";
import { addFault, isFault } from "../../platform/files/fault.ts";
import { parseCondition } from "../conditions/condition.ts";
import { CONDITION_TEXTS } from "../conditions/condition-texts.ts";
import type { Fields } from "../fields/field.ts";
import { duration } from "./window-spec.ts";

const value = z.union([z.number(), z.string(), z.boolean()]);

/** How values are read, in a rule or in a name of `let`. */
export const VALUE_FIELDS = {
  carry: {
    schema: duration(1).optional(),
    doc: "How long a value holds without a new reading, for aggregates over time (`time_avg`, `duration`, `integral`, `mkt`). Default: until the next reading.",
    takes: "duration",
    for: ["window", "let"],
    examples: [{ value: "15m", meaning: "after 15 minutes without a reading, the value is unknown" }],
  },
  max_value: {
    schema: z.number().positive().optional(),
    doc: "The greatest value of a counter, for `increase` and `counter_rate`: after it, the counter begins at 0 again. Default: a counter that falls was reset.",
    takes: "number",
    for: ["window", "let"],
    synonyms: ["rollover", "wrap", "max_counter"],
    examples: [{ value: 65535, meaning: "a counter of 16 bits" }],
  },
  valid: {
    schema: z
      .string()
      .superRefine((text, context) => {
        const parsed = parseCondition(text);
        if (isFault(parsed)) addFault(context, CONDITION_TEXTS, parsed);
      })
      .optional(),
    doc: "Which values the rule reads. Readings with other values are left out, as if they had not been sent.",
    takes: "condition",
    for: ["window", "let"],
    synonyms: ["valid_range", "plausible", "value"],
    hint: () => ({ what: "a condition", example: 'valid: "between -40 and 85"' }),
    examples: [{ value: "between -40 and 85", meaning: "leaves out what the sensor cannot measure" }],
  },
  except: {
    schema: z
      .union([value, z.array(value).min(1)])
      .optional()
      .transform((given) => (given === undefined || Array.isArray(given) ? given : [given])),
    doc: "Values that the rule leaves out, as if they had not been sent, such as error codes of a sensor.",
    takes: "value, or list of values",
    for: ["window", "let"],
    synonyms: ["ignore_values", "error_values"],
    hint: () => ({ what: "values", example: "except: [85, -127]" }),
    examples: [{ value: [85, -127], meaning: "the error codes of a DS18B20" }],
  },
  hampel: {
    schema: z
      .strictObject({
        sigmas: z.number().positive().default(3).describe("How many standard deviations a spike is off at least."),
        at_least: z.number().nonnegative().describe("How far it is off at least, in the unit of the metric."),
      })
      .optional(),
    doc: "Leaves out spikes: values further from the median of the last ten readings than both `sigmas` standard deviations (1.4826 times the median absolute deviation) and `at_least`.",
    takes: "{ sigmas, at_least }",
    for: ["window", "let"],
    synonyms: ["spikes", "despike", "outliers"],
    hint: () => ({ example: "hampel: { at_least: 2 }" }),
    examples: [{ value: { sigmas: 3, at_least: 2 }, meaning: "leaves out single readings that are far off" }],
  },
} satisfies Fields;

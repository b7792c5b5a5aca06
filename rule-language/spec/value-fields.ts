import { z } from "zod";
import type { Fields } from "../fields/field.ts";
import { duration } from "./window-spec.ts";

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
} satisfies Fields;

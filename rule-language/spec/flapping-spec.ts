import { z } from "zod";
import { suggestDuration } from "../../platform/files/suggest-duration.ts";
import { type Field, type Fields, shapeOf } from "../fields/field.ts";
import { duration } from "./window-spec.ts";

const CHANGES_MIN = 3;

const FLAPPING_FIELDS = {
  changes: {
    schema: z.int().min(CHANGES_MIN).max(100),
    doc: "How often the alert must begin to fire or end to count as flapping.",
    takes: "whole number",
    synonyms: ["times", "transitions", "flips", "count", "max"],
    hint: () => ({ example: "changes: 6" }),
  },
  within: {
    schema: duration(1_000_000),
    doc: "The time in which the changes must happen. Also how long `clear` must hold before a flapping alert ends.",
    takes: "duration",
    synonyms: ["window", "for", "period", "interval", "in"],
  },
} satisfies Fields;

export const FLAPPING = {
  schema: z.strictObject(shapeOf(FLAPPING_FIELDS)).optional(),
  doc: "Combines alerts that fire and end repeatedly into one, which keeps firing until it has been quiet for long enough.",
  takes: "both of those below",
  isOfAlerts: true,
  synonyms: ["flap", "flap_detection", "flapping_detection", "flapping_threshold"],
  fields: FLAPPING_FIELDS,
  hint(value) {
    const changes = typeof value === "number" && value >= CHANGES_MIN ? value : 6;
    const within = (typeof value === "string" ? suggestDuration(value) : undefined) ?? "1h";
    return { example: `flapping: { changes: ${changes}, within: ${within} }` };
  },
  examples: [
    {
      value: { changes: 6, within: "1h" },
      meaning: "after the third end within an hour it keeps firing, until it has been quiet for an hour",
    },
  ],
} satisfies Field;

import { z } from "zod";
import { addFault } from "../../platform/files/fault.ts";
import { SPEC_TEXTS } from "./spec-texts.ts";

/** `!`, and then what other languages put behind it, or nothing. */
const ODD_EXCLUSION = /^!(?:$|[\s=~!])/;

/** A text of `where`: exact, a glob, or either with `!` before it. */
export const wherePattern = z
  .string()
  .meta({ pattern: "^(?!!($|[\\s=~!]))" })
  .superRefine((text, context) => {
    if (!ODD_EXCLUSION.test(text)) return;
    const bare = text.replace(/^[!=~\s]+/, "");
    addFault(context, SPEC_TEXTS, { code: "bad_exclusion", facts: { text, bare } });
  });

/** Patterns by label. */
export const wherePatterns = z.record(z.string().min(1), z.union([wherePattern, z.array(wherePattern).min(1)]));

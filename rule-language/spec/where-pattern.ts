import { z } from "zod";
import { addFault } from "../../platform/files/fault.ts";
import { SPEC_TEXTS } from "./spec-texts.ts";

/** `!` followed by syntax from other languages, or by nothing. */
const ODD_EXCLUSION = /^!(?:$|[\s=~!])/;

/** An entry of `where`: an exact text, a glob, or either with `!` before it. */
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

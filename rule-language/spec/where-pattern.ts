import { z } from "zod";

/** `!`, and then what other languages put behind it, or nothing. */
const ODD_EXCLUSION = /^!(?:$|[\s=~!])/;

/** A text of `where`: exact, a glob, or either with `!` before it. */
export const wherePattern = z.string().superRefine((text, context) => {
  if (!ODD_EXCLUSION.test(text)) return;
  const bare = text.replace(/^[!=~\s]+/, "");
  const message = bare === "" ? `"${text}" excludes nothing` : `"${text}" has more than a \`!\` before the name`;
  const help =
    bare === ""
      ? 'write what is not wanted right behind the !, like "!lab"; "!*" takes what has no such label'
      : `write "!${bare}"`;
  context.addIssue({ code: "custom", message, params: { code: "E003", help } });
});

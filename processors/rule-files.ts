import { basename } from "node:path";
import { RULE_FILES, type RuleFiles } from "../contracts/rule-files.ts";
import type { Bus } from "../platform/log/port.ts";
import type { FollowedRules } from "../rule-language/files/follow-rules.ts";
import type { ReadRules } from "../rule-language/files/load-rules.ts";
import { checkRules } from "../rule-language/lint/check-rules.ts";

/** A page lists no more. */
const LISTED_MAX = 100;

type Followed = Pick<FollowedRules, "read" | "problems">;

/** Answers with the problems of the rule files. Returns a function that stops it. */
export function respondRuleFiles(bus: Bus, rules: Followed): () => void {
  let known: { readonly read: ReadRules; readonly found: RuleFiles } | undefined;
  return bus.respond(RULE_FILES, async () => {
    const read = rules.read();
    if (known?.read !== read) known = { read, found: ruleFilesOf(rules) };
    return known.found;
  });
}

export function ruleFilesOf(rules: Followed): RuleFiles {
  const found = checkRules(rules.read(), undefined).map(({ severity, code, file, place, message, help }) => ({
    ...{ severity, code, file: basename(file), line: place.line, column: place.column, message },
    ...(help === "" ? {} : { help }),
  }));
  const errors: RuleFiles["problems"] = found.filter(({ severity }) => severity === "error");
  const warnings = found.filter(({ severity }) => severity === "warning");
  // About the folder or the whole set: too many rules for one message, or no file left.
  const whole: RuleFiles["problems"] = rules.problems().map(({ file, line, column, message }) => ({
    ...{ severity: "error", file: basename(file), line, column, message },
  }));
  const wrong = errors.length > 0 ? errors : whole;
  const problems = [...wrong, ...warnings].slice(0, LISTED_MAX);
  return { errors: wrong.length, warnings: warnings.length, problems };
}

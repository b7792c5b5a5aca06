import { basename } from "node:path";
import { RULE_FILES, type RuleFiles } from "../contracts/rule-files.ts";
import type { Bus } from "../platform/log/port.ts";
import type { FollowedRules } from "../rule-language/files/follow-rules.ts";
import type { ReadRules } from "../rule-language/files/load-rules.ts";
import { checkRules } from "../rule-language/lint/check-rules.ts";
import type { Blend } from "../rule-language/spec/blend.ts";

/** A page lists no more. */
const LISTED_MAX = 100;

type Followed = Pick<FollowedRules, "read" | "problems">;

/** By rule: series that the tasks of this process compute as one. */
type Blends = ReadonlyMap<string, Blend>;

/** Answers with the problems of the rule files. Returns a function that stops it. */
export function respondRuleFiles(bus: Bus, rules: Followed, blends: () => Blends): () => void {
  let known: { readonly read: ReadRules; readonly blends: string; readonly found: RuleFiles } | undefined;
  return bus.respond(RULE_FILES, async () => {
    const read = rules.read();
    const blended = blends();
    const text = JSON.stringify([...blended]);
    if (known?.read !== read || known.blends !== text)
      known = { read, blends: text, found: ruleFilesOf(rules, blended) };
    return known.found;
  });
}

export function ruleFilesOf(rules: Followed, blends: Blends): RuleFiles {
  const found = checkRules(rules.read(), undefined, { blends }).map(
    ({ severity, code, file, place, message, help }) => ({
      ...{ severity, code, file: basename(file), line: place.line, column: place.column, message },
      ...(help === "" ? {} : { help }),
    }),
  );
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

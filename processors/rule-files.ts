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

/** What the tasks of this process have found out about the rules, by rule. */
interface Found {
  /** Series that they compute as one. */
  readonly blends: ReadonlyMap<string, Blend>;
  /** Why they skip a rule that failed. */
  readonly quarantined: ReadonlyMap<string, string>;
}

/** Answers with the problems of the rule files. Returns a function that stops it. */
export function respondRuleFiles(bus: Bus, rules: Followed, found: () => Found): () => void {
  let known: { readonly read: ReadRules; readonly text: string; readonly files: RuleFiles } | undefined;
  return bus.respond(RULE_FILES, async () => {
    const read = rules.read();
    const { blends, quarantined } = found();
    const text = JSON.stringify([...blends, ...quarantined]);
    if (known?.read !== read || known.text !== text)
      known = { read, text, files: ruleFilesOf(rules, { blends, quarantined }) };
    return known.files;
  });
}

export function ruleFilesOf(rules: Followed, { blends, quarantined }: Found): RuleFiles {
  const found = checkRules(rules.read(), undefined, { blends }).map(
    ({ severity, code, file, place, message, help }) => ({
      ...{ severity, code, file: basename(file), line: place.line, column: place.column, message },
      ...(help === "" ? {} : { help }),
    }),
  );
  const errors: RuleFiles["problems"] = found.filter(({ severity }) => severity === "error");
  const skipped = skippedRules(rules.read(), quarantined);
  const warnings = [...skipped, ...found.filter(({ severity }) => severity === "warning")];
  // About the folder or the whole set: too many rules for one message, or no file left.
  const whole: RuleFiles["problems"] = rules.problems().map(({ file, line, column, message }) => ({
    ...{ severity: "error", file: basename(file), line, column, message },
  }));
  const wrong = errors.length > 0 ? errors : whole;
  const problems = [...wrong, ...warnings].slice(0, LISTED_MAX);
  return { errors: wrong.length, warnings: warnings.length, quarantined: skipped.length, problems };
}

/** Rules that failed while they ran. Other rules go on, so they are warnings. */
function skippedRules(read: ReadRules, quarantined: Found["quarantined"]): RuleFiles["problems"] {
  return read.files
    .flatMap(({ rules }) => rules)
    .flatMap((placed) => {
      const reason = quarantined.get(placed.id ?? "");
      if (reason === undefined) return [];
      const { line, column } = placed.placeOf(["id"]);
      const message = `the rule "${placed.id}" failed and is skipped: ${reason}`;
      const help = "edit it: it is tried again then; the other rules go on";
      return [{ severity: "warning" as const, file: basename(placed.file), line, column, message, help }];
    });
}

import { basename } from "node:path";
import { RULE_FILES, type RuleFiles } from "../contracts/rule-files.ts";
import type { Series } from "../domain/reading.ts";
import type { Bus } from "../platform/log/port.ts";
import type { FollowedRules } from "../rule-language/files/follow-rules.ts";
import type { ReadRules } from "../rule-language/files/load-rules.ts";
import { checkRules } from "../rule-language/lint/check-rules.ts";
import { kindWarnings } from "../rule-language/lint/kind-warnings.ts";
import { takeApart } from "../rule-language/lint/warning.ts";
import type { Blend } from "../rule-language/spec/blend.ts";

/** A page lists no more. */
const LISTED_MAX = 100;

type Followed = Pick<FollowedRules, "read" | "problems">;

/** What the tasks of this process have found out about the rules, by rule. */
interface Found {
  /** Series that they compute as one. */
  readonly blends: ReadonlyMap<string, Blend>;
  /** Texts and booleans that their `where` selects. */
  readonly otherKinds: ReadonlyMap<string, readonly Series[]>;
  /** Why they skip a rule that failed. */
  readonly quarantined: ReadonlyMap<string, string>;
}

/** Reports the rules that compare numbers with texts or booleans, when the files or the found series change. */
export function watchMismatches(
  rules: Pick<Followed, "read">,
  report: (rules: ReadonlyMap<string, string>) => void,
): (found: Found) => void {
  let known: { readonly read: ReadRules; readonly kinds: string } | undefined;
  return (found) => {
    const read = rules.read();
    const kinds = JSON.stringify([...found.otherKinds]);
    if (known?.read === read && known.kinds === kinds) return;
    known = { read, kinds };
    report(mismatchedRules(rules, found));
  };
}

/** Answers with the problems of the rule files. Returns a function that stops it. */
export function respondRuleFiles(bus: Bus, rules: Followed, found: () => Found): () => void {
  let known: { readonly read: ReadRules; readonly text: string; readonly files: RuleFiles } | undefined;
  return bus.respond(RULE_FILES, async () => {
    const read = rules.read();
    const now = found();
    const text = textOf(now);
    if (known?.read !== read || known.text !== text) known = { read, text, files: ruleFilesOf(rules, now) };
    return known.files;
  });
}

function textOf({ blends, otherKinds, quarantined }: Found): string {
  return JSON.stringify([...blends, ...otherKinds, ...quarantined]);
}

/** Rules that compare numbers with texts or booleans, and the message about each. Cheap if nothing was found. */
function mismatchedRules({ read }: Pick<Followed, "read">, { otherKinds }: Found): ReadonlyMap<string, string> {
  if (otherKinds.size === 0) return new Map();
  const rules = read()
    .files.flatMap((file) => file.rules)
    .flatMap((placed) => takeApart(placed) ?? []);
  return new Map(
    rules.flatMap((rule) => {
      const { id } = rule.spec;
      const [warning] = kindWarnings(rule, { series: undefined, found: otherKinds.get(id) ?? [] });
      return warning === undefined ? [] : [[id, warning.message] as const];
    }),
  );
}

export function ruleFilesOf(rules: Followed, { blends, otherKinds, quarantined }: Found): RuleFiles {
  const found = checkRules(rules.read(), undefined, { blends, otherKinds }).map(
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

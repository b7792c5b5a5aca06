import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { idsUsedTwice, type ReadRules, readRules } from "../../../rule-language/files/load-rules.ts";
import type { RuleProblem } from "../../../rule-language/files/problem.ts";
import { checkRules } from "../../../rule-language/lint/check-rules.ts";
import type { KnownSeries } from "../../../rule-language/lint/known-series.ts";
import { ruleReference } from "../../../rule-language/reference/rule-reference.ts";
import { ruleFileJsonSchema } from "../../../rule-language/reference/rule-schema.ts";
import { packageRoot } from "../../settings/paths.ts";
import { UsageError } from "../common/failures.ts";
import { surroundingsOf } from "./rules-check-around.ts";
import { sarifOf } from "./rules-check-sarif.ts";
import { readKnownSeries, seriesOfRunning } from "./rules-check-series.ts";
import { problemsText, summaryText } from "./rules-check-text.ts";

const EXIT_ERRORS = 1;
const EXIT_USAGE = 2;

export interface CheckFlags {
  readonly format: "text" | "json" | "sarif";
  readonly strict?: boolean;
  readonly devices?: string;
  readonly tokenEnv?: string;
  readonly dataDir?: string;
  readonly config?: string;
  readonly color?: boolean;
}

/** `weir rules check | schema | docs`. */
export function addRulesCheckCommands(rules: Command): void {
  rules
    .command("check")
    .description("report every error and warning in rule files")
    .argument("[path...]", "folders or files (default: rules)")
    .addOption(
      new Option("--format <format>", "text, json, or sarif for code hosts")
        .choices(["text", "json", "sarif"])
        .default("text"),
    )
    .option("--strict", "warnings count as errors")
    .option(
      "--devices <file|url>",
      "compare `where` with these devices: a gateway's address, or a file with the answer of its /api/v1/devices",
    )
    .option("--token-env <variable>", "the environment variable that holds the token for the gateway")
    .addOption(
      new Option("--data-dir <folder>", "the data folder of the running gateway to ask for devices").env(
        "WEIR_DATA_DIR",
      ),
    )
    .addOption(
      new Option(
        "--config <file>",
        "the weir.yaml with the receivers for `notify` (default: weir.yaml, if it exists)",
      ).env("WEIR_CONFIG"),
    )
    .option("--no-color", "no colours")
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USAGE))
    .action(async (paths: readonly string[], flags: CheckFlags) => {
      try {
        const { text, exitCode } = await check(paths.length === 0 ? ["rules"] : paths, flags);
        await write(text);
        process.exitCode = exitCode;
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        process.stderr.write(`${error.message}\n`);
        process.exitCode = EXIT_USAGE;
      }
      process.exit();
    });
  rules
    .command("schema")
    .description("print the JSON Schema of rule files, for editors")
    .action(() => {
      process.stdout.write(schemaText());
    });
  rules
    .command("docs")
    .description("print the reference of rules (docs/rules.md)")
    .action(() => {
      process.stdout.write(ruleReference());
    });
}

/** The text of `docs/weir-rules.schema.json`. */
export function schemaText(): string {
  return `${JSON.stringify(ruleFileJsonSchema(), undefined, 2)}\n`;
}

/** The output and the exit code. Throws UsageError. */
export async function check(
  paths: readonly string[],
  flags: CheckFlags,
): Promise<{ readonly text: string; readonly exitCode: number }> {
  const read = await readAll(paths);
  const problems = checkRules(read, await knownSeries(flags), await surroundingsOf(read, paths, flags.config));
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const warnings = problems.length - errors;
  const rules = read.files.flatMap((file) => file.rules).length;
  const counts = { errors, warnings, rules, files: read.files.length };
  const isBad = errors > 0 || (flags.strict === true && warnings > 0);
  return { text: render(problems, counts, flags), exitCode: isBad ? EXIT_ERRORS : 0 };
}

async function readAll(paths: readonly string[]): Promise<ReadRules> {
  const all = await Promise.all([...new Set(paths)].map((path) => readRules(path)));
  // A file may be named directly and as part of its folder.
  const files = [...new Map(all.flatMap((one) => one.files).map((file) => [file.file, file])).values()];
  const unreadable = all.flatMap(({ problems }) => problems).filter(({ code }) => code === "E007");
  const within = files.flatMap(({ problems }) => problems);
  return { files, problems: [...unreadable, ...within, ...idsUsedTwice(files.flatMap(({ rules }) => rules))] };
}

async function knownSeries(flags: CheckFlags): Promise<KnownSeries | undefined> {
  const { tokenEnv, devices } = flags;
  const token = tokenEnv === undefined ? undefined : process.env[tokenEnv];
  if (tokenEnv !== undefined && token === undefined)
    throw new UsageError(`--token-env: the environment has no ${tokenEnv}`);
  if (devices !== undefined) return { series: await readKnownSeries(devices, token), mayGrow: false };
  const series = await seriesOfRunning(flags.dataDir ?? ".weir", token);
  return series && { series, mayGrow: true };
}

interface Counts {
  readonly errors: number;
  readonly warnings: number;
  readonly rules: number;
  readonly files: number;
}

function render(problems: readonly RuleProblem[], counts: Counts, flags: CheckFlags): string {
  if (flags.format === "json") return `${JSON.stringify({ ...counts, problems: problems.map(plain) }, undefined, 2)}\n`;
  if (flags.format === "sarif") {
    const { version } = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8"));
    return `${JSON.stringify(sarifOf(problems, { version, folder: process.cwd() }), undefined, 2)}\n`;
  }
  const colours = process.stdout.isTTY === true && flags.color !== false && !process.env.NO_COLOR;
  const text = problemsText(problems, { colours });
  return `${text}${text && "\n"}${summaryText(counts)}\n`;
}

/** A problem for programs: its place is flat. */
function plain({ place, related, ...problem }: RuleProblem): unknown {
  return { ...problem, ...place, related: related.map(({ place: other, ...rest }) => ({ ...rest, ...other })) };
}

/** A pipe accepts output only bit by bit; an earlier exit would truncate it. */
function write(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

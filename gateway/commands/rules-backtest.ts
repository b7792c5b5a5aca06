import { readFile, stat, writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { SeriesTable } from "../../domain/frame-reader.ts";
import { INSTANT_US_MAX, parseDurationUs, US_PER_MS } from "../../domain/time.ts";
import { systemClock } from "../../platform/clock.ts";
import type { LogForReading } from "../../platform/log/jetstream-reading.ts";
import { BadFileError, parseYaml } from "../../platform/yaml-file.ts";
import { type BacktestOutcome, backtest } from "../../processors/backtest/backtest.ts";
import { htmlReport } from "../../processors/backtest/html-report.ts";
import { jsonReport } from "../../processors/backtest/json-report.ts";
import { entriesOfRows } from "../../processors/backtest/rows-source.ts";
import { shadowDiff } from "../../processors/backtest/shadow-diff.ts";
import { tableReport } from "../../processors/backtest/table-report.ts";
import { loadRules } from "../../processors/rules/load-rules.ts";
import { type RuleSpec, ruleFileSchema } from "../../processors/rules/rule-spec.ts";
import { UsageError } from "../failures.ts";
import {
  logEntries,
  partitionsOf,
  recordedRows,
  recordingConfig,
  type Stretch,
  storedEntries,
} from "./backtest-sources.ts";
import { type ReachFlags, reachingGateway, withLog } from "./running-gateway.ts";

interface Flags extends ReachFlags {
  readonly over: readonly string[];
  readonly diff?: string;
  readonly columns?: string;
  readonly site?: string;
  readonly from?: string;
  readonly to?: string;
  readonly watched: boolean;
  readonly format: "table" | "json" | "html";
  readonly output?: string;
}

/** `weir rules backtest` and `weir rules diff`: what rules would have done, and how two differ. */
export function addRulesBacktestCommands(rules: Command): void {
  reachingGateway(rules.command("backtest"))
    .description("run rules over the past, faster than it was, and say what would have fired")
    .argument("<rules>", "the candidate: a rule file, or a folder of them")
    .option("--over <what...>", "log (of the running gateway), a .duckdb file, or CSV files and folders", ["log"])
    .option("--diff <rules>", "compare with these rules: gained, lost, moved")
    .option(
      "--columns <what>",
      "what the columns of CSV files mean: beijing-air, or a YAML file as for simulate replay",
    )
    .option("--site <name>", "the tag `site` of readings from CSV files (default replay)")
    .option("--from <time>", "begin there: ISO 8601, or so long ago (2d)")
    .option("--to <time>", "end before")
    .option("--no-watched", "readings from CSV files: pauses of more than 30 s count as not watched for absences")
    .addOption(new Option("--format <format>", "how to report").choices(["table", "json", "html"]).default("table"))
    .option("--output <file>", "write the report there")
    .action(async (path: string, flags: Flags) => {
      const candidate = await readRules(path);
      const live = flags.diff === undefined ? undefined : await readRules(flags.diff);
      const outcome = await run(candidate, live, flags);
      if (outcome.readings === 0) throw new UsageError(`no readings in ${flags.over.join(", ")} for that time`);
      await report(outcome, flags, live ? `${path} against ${flags.diff}` : path);
    });
  reachingGateway(rules.command("diff").argument("<rule>").argument("<shadow-rule>"))
    .description("compare what two rules of the running gateway have told, such as a live one and its shadow")
    .option("--since <time>", "from then on: ISO 8601, or so long ago", "1d")
    .addOption(new Option("--format <format>", "how to report").choices(["table", "json", "html"]).default("table"))
    .option("--output <file>", "write the report there")
    .action(async (rule: string, shadow: string, flags: Flags & { readonly since: string }) => {
      const nowUs = systemClock.nowUs();
      const sinceUs = instantOf("--since", flags.since, nowUs);
      const outcome = await withLog(flags, (log) => shadowDiff(log, { rule, shadow, sinceUs, nowUs }));
      await report(outcome, flags, `${shadow} against ${rule}`);
    });
}

async function run(
  candidate: readonly RuleSpec[],
  live: readonly RuleSpec[] | undefined,
  flags: Flags,
): Promise<BacktestOutcome> {
  const table = new SeriesTable();
  const nowUs = systemClock.nowUs();
  const stretch: Stretch = {
    fromUs: flags.from === undefined ? undefined : instantOf("--from", flags.from, nowUs),
    toUs: flags.to === undefined ? undefined : instantOf("--to", flags.to, nowUs),
  };
  const options = { table, candidate, live, keepTraces: flags.format === "html", progress: progressTo(process.stderr) };
  const [over = "log"] = flags.over;
  if (over === "log") {
    return withLog(flags, async (log: LogForReading) =>
      backtest(logEntries(log, table, stretch), { ...options, partitions: await partitionsOf(log) }),
    );
  }
  if (/\.duckdb$|\.db$/.test(over)) return backtest(storedEntries(over, table, stretch), { ...options, partitions: 1 });
  const config = await recordingConfig(flags.over, { columns: flags.columns, site: flags.site });
  const { files, counts, rows } = await recordedRows(config, stretch);
  const tags = { site: config.site };
  const awaitsAbsence = [...candidate, ...(live ?? [])].some(({ absent }) => absent !== undefined);
  const watched = flags.watched && awaitsAbsence;
  const outcome = await backtest(entriesOfRows(rows, { table, tagsOf: () => tags, watched }), {
    ...options,
    partitions: 1,
  });
  if (counts.rowsUnreadable > 0) {
    process.stderr.write(`${counts.rowsUnreadable} lines of ${files.length} files could not be read\n`);
  }
  return outcome;
}

async function readRules(path: string): Promise<readonly RuleSpec[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new UsageError(`no such rule file or folder: ${path}`);
  if (found.isDirectory()) {
    const { specs, problems } = await loadRules(path);
    if (problems.length > 0) throw new BadFileError(problems);
    if (specs.length === 0) throw new UsageError(`no rules in ${path}`);
    return specs;
  }
  const parsed = parseYaml(await readFile(path, "utf8"), path, ruleFileSchema);
  if (!parsed.ok) throw new BadFileError(parsed.problems);
  const ids = parsed.value.rules.map(({ id }) => id);
  const twice = ids.findIndex((id, i) => ids.indexOf(id) < i);
  if (twice >= 0) {
    const message = `a rule "${ids[twice]}" stands already above`;
    throw new BadFileError([{ file: path, ...parsed.positionOf(["rules", twice, "id"]), message }]);
  }
  return parsed.value.rules;
}

/** ISO 8601, or a duration before now. */
function instantOf(flag: string, text: string, nowUs: number): number {
  const agoUs = parseDurationUs(text);
  if (agoUs !== undefined) return nowUs - agoUs;
  const atUs = Date.parse(text) * US_PER_MS;
  if (Number.isNaN(atUs) || Math.abs(atUs) > INSTANT_US_MAX) {
    throw new UsageError(
      `${flag} ${text} is not a time; write for example 2026-11-22T08:00:00Z, or 2d for two days ago`,
    );
  }
  return atUs;
}

async function report(outcome: BacktestOutcome, { format, output }: Flags, title: string): Promise<void> {
  const text =
    format === "json"
      ? jsonReport(outcome)
      : format === "html"
        ? htmlReport(outcome, `Backtest: ${title}`)
        : tableReport(outcome);
  if (output === undefined) process.stdout.write(text);
  else await writeFile(output, text);
}

function progressTo(stream: NodeJS.WriteStream): (readings: number, atUs: number) => void {
  if (!stream.isTTY) return () => {};
  return (readings, atUs) => {
    stream.write(
      `\r${(readings / 1e6).toFixed(2)} M readings, ${new Date(atUs / US_PER_MS).toISOString().slice(0, 10)}\u001b[K\r`,
    );
  };
}

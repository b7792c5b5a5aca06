import { readFile, stat, writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { AlertChange } from "../../../domain/alert.ts";
import { SeriesTable } from "../../../domain/frame-reader.ts";
import { formatInstantUs, INSTANT_US_MAX, parseDurationUs, US_PER_MS } from "../../../domain/time.ts";
import { isOverDevices } from "../../../engine/tasks/shares.ts";
import { systemClock } from "../../../platform/clock.ts";
import { BadFileError, parseYaml } from "../../../platform/files/yaml-file.ts";
import type { LogForReading } from "../../../platform/log/jetstream-reading.ts";
import { loadRules } from "../../../rule-language/files/load-rules.ts";
import { type RuleSpec, ruleFileSchema } from "../../../rule-language/spec/rule-spec.ts";
import type { Arrival } from "../../../rule-tools/backtest/arrivals.ts";
import { type BacktestOptions, type BacktestOutcome, backtest } from "../../../rule-tools/backtest/backtest.ts";
import { rulesForwarded } from "../../../rule-tools/backtest/forwarded-rules.ts";
import { htmlReport } from "../../../rule-tools/backtest/html-report.ts";
import { jsonReport } from "../../../rule-tools/backtest/json-report.ts";
import { entriesOfLog } from "../../../rule-tools/backtest/log-source.ts";
import { entriesOfPages } from "../../../rule-tools/backtest/pages-source.ts";
import { entriesOfRows } from "../../../rule-tools/backtest/rows-source.ts";
import { shadowDiff } from "../../../rule-tools/backtest/shadow-diff.ts";
import { tableReport } from "../../../rule-tools/backtest/table-report.ts";
import { SETTINGS } from "../../settings/settings.ts";
import { UsageError } from "../common/failures.ts";
import { type ReachFlags, reachingGateway, withLog } from "../common/running-gateway.ts";
import { partitionsOf, recordedRows, recordingConfig, type Stretch } from "./backtest-sources.ts";
import { type InfluxFlags, type OpenedStore, storeOfFile, storeOfGateway, storeOfInflux } from "./backtest-store.ts";
import { ChangeLines } from "./change-lines.ts";

interface Flags extends ReachFlags, InfluxFlags {
  readonly over: readonly string[];
  readonly diff?: string;
  readonly arrival?: Arrival;
  readonly columns?: string;
  readonly site?: string;
  readonly from?: string;
  readonly to?: string;
  readonly watched: boolean;
  readonly format: "table" | "json" | "html" | "changes";
  readonly output?: string;
}

/** `weir rules backtest` and `weir rules diff`: what rules would have done, and how two differ. */
export function addRulesBacktestCommands(rules: Command): void {
  reachingInflux(reachingGateway(rules.command("backtest")))
    .description("run rules over past readings, faster than real time, and report what would have fired")
    .argument("<rules>", "the candidate: a rule file, or a folder of them")
    .option(
      "--over <what...>",
      "log or store (of the running gateway), influx, a .duckdb file, or CSV files and folders",
      ["log"],
    )
    .option("--diff <rules>", "compare with these rules: gained, lost, moved")
    .option(
      "--columns <what>",
      "what the columns of CSV files mean: beijing-air, or a YAML file as for simulate replay",
    )
    .option("--site <name>", "the tag `site` of readings from CSV files (default replay)")
    .option("--from <time>", "start: ISO 8601, or a time ago such as 2d")
    .option("--to <time>", "end before")
    .addOption(
      new Option(
        "--arrival <how>",
        "arrival of readings of a store or of files: when they were observed, or all at once as in a replay at full speed (default observed)",
      ).choices(["observed", "at-once"]),
    )
    .option("--no-watched", "for a store or files: pauses of more than 30 s do not count as absences")
    .addOption(
      new Option(
        "--format <format>",
        "format of the report; changes: each alert change of the candidate, one JSON object a line",
      )
        .choices(["table", "json", "html", "changes"])
        .default("table"),
    )
    .option("--output <file>", "write the report to this file")
    .action(async (path: string, flags: Flags) => {
      const candidate = await readRules(path);
      const live = flags.diff === undefined ? undefined : await readRules(flags.diff);
      const changes = flags.format === "changes" ? new ChangeLines(flags.output) : undefined;
      try {
        const outcome = await run({ candidate, live, onChange: changes?.add }, flags);
        if (outcome.readings === 0) throw new UsageError(`no readings in ${flags.over.join(", ")} for that time`);
        if (changes === undefined) await report(outcome, flags, live ? `${path} against ${flags.diff}` : path);
      } finally {
        changes?.close();
      }
    });
  reachingGateway(rules.command("diff").argument("<rule>").argument("<shadow-rule>"))
    .description("compare the alerts of two rules of the running gateway, such as a rule and its shadow")
    .option("--since <time>", "start: ISO 8601, or a time ago such as 1d", "1d")
    .addOption(
      new Option("--format <format>", "format of the report").choices(["table", "json", "html"]).default("table"),
    )
    .option("--output <file>", "write the report to this file")
    .action(async (rule: string, shadow: string, flags: Flags & { readonly since: string }) => {
      const nowUs = systemClock.nowUs();
      const sinceUs = instantOf("--since", flags.since, nowUs);
      const outcome = await withLog(flags, (log) => shadowDiff(log, { rule, shadow, sinceUs, nowUs }));
      await report(outcome, flags, `${shadow} against ${rule}`);
    });
}

/** Adds the flags that say where InfluxDB is. */
function reachingInflux(command: Command): Command {
  const descriptions = {
    influxUrl: "with --over influx: address of InfluxDB",
    influxToken: "with --over influx: a token that may read the bucket; safer in the environment",
    influxOrg: "with --over influx: the organization",
    influxBucket: "with --over influx: the bucket to which a gateway writes",
  } as const;
  for (const name of ["influxUrl", "influxToken", "influxOrg", "influxBucket"] as const) {
    const { flag, variable, argument } = SETTINGS[name];
    command.addOption(new Option(`${flag} <${argument}>`, descriptions[name]).env(variable));
  }
  return command;
}

type Asked = Pick<BacktestOptions, "candidate" | "live"> & {
  readonly onChange: ((change: AlertChange) => void) | undefined;
};

type Common = Omit<BacktestOptions, "partitions">;

async function run({ candidate, live, onChange }: Asked, flags: Flags): Promise<BacktestOutcome> {
  const nowUs = systemClock.nowUs();
  const stretch: Stretch = {
    fromUs: flags.from === undefined ? undefined : instantOf("--from", flags.from, nowUs),
    toUs: flags.to === undefined ? undefined : instantOf("--to", flags.to, nowUs),
  };
  const common: Common = {
    table: new SeriesTable(),
    candidate,
    live,
    keepTraces: flags.format === "html",
    progress: progressTo(process.stderr),
    ...(onChange === undefined ? {} : { onChange }),
  };
  const [over = "log"] = flags.over;
  const isOne = over === "log" || over === "store" || over === "influx" || /\.duckdb$|\.db$/.test(over);
  if (isOne && flags.over.length > 1)
    throw new UsageError(`--over ${flags.over.join(" ")}: ${over} cannot be combined with other sources`);
  if (over === "log") {
    if (flags.arrival !== undefined)
      throw new UsageError("--arrival: not with the log, which knows when its readings arrived");
    return withLog(flags, (log) => overLog(log, stretch, common));
  }
  if (over === "store") return withLog(flags, ({ bus }) => overStore(storeOfGateway(bus), stretch, common, flags));
  if (isOne) {
    const opened = over === "influx" ? await storeOfInflux(flags) : await storeOfFile(over);
    return overStore(opened, stretch, common, flags);
  }
  return overFiles(stretch, common, flags);
}

async function overLog(log: LogForReading, stretch: Stretch, common: Common): Promise<BacktestOutcome> {
  const { messages } = await log.bounds("READINGS");
  if (messages === 0) throw new UsageError("the gateway's log holds no readings");
  const partitions = await partitionsOf(log);
  const groups = [...common.candidate, ...(common.live ?? [])].filter(isOverDevices);
  const isForwarded = groups.length > 0 ? await rulesForwarded(log, stretch) : () => false;
  const readShares = groups.some(isForwarded);
  const notes = new Set([
    ...(await beginnings(log, stretch, readShares ? ["READINGS", "GROUPS"] : ["READINGS"])),
    ...groups.filter((spec) => !isForwarded(spec)).map(mergedNote),
  ]);
  const source = entriesOfLog(log, {
    table: common.table,
    partitions,
    stretch,
    readShares,
    merge: !groups.every(isForwarded),
  });
  return backtest(source, { ...common, partitions, fromShares: isForwarded, notes: [...notes] });
}

function mergedNote({ id }: RuleSpec): string {
  return `${id}: the gateway did not always have a rule with the same readings and groups; readings are read in the order in which the log stored them.`;
}

/** Notes for streams whose oldest entries have expired. */
async function beginnings(
  log: LogForReading,
  { fromUs = Number.NEGATIVE_INFINITY }: Stretch,
  streams: readonly ("READINGS" | "GROUPS")[],
): Promise<string[]> {
  const notes: string[] = [];
  for (const stream of streams) {
    const { firstSequence, firstAtUs } = await log.bounds(stream);
    if (firstSequence === 1 || firstAtUs < fromUs) continue;
    const name = stream === "READINGS" ? "The log" : "The log of groups over devices";
    notes.push(
      `${name} starts at ${formatInstantUs(firstAtUs)}: the first windows are incomplete, and alerts that fired then start again.`,
    );
  }
  return notes;
}

async function overStore(
  { store, page, close }: OpenedStore,
  stretch: Stretch,
  common: Common,
  flags: Flags,
): Promise<BacktestOutcome> {
  try {
    const source = entriesOfPages(store, { ...arrivalsOf(common, flags), stretch, page });
    return await backtest(source, { ...common, partitions: 1 });
  } finally {
    await close();
  }
}

async function overFiles(stretch: Stretch, common: Common, flags: Flags): Promise<BacktestOutcome> {
  const config = await recordingConfig(flags.over, { columns: flags.columns, site: flags.site });
  const { files, counts, rows } = await recordedRows(config, stretch);
  const tags = { site: config.site };
  const source = entriesOfRows(rows, { ...arrivalsOf(common, flags), tags });
  const outcome = await backtest(source, { ...common, partitions: 1 });
  if (counts.rowsUnreadable > 0) {
    process.stderr.write(`${counts.rowsUnreadable} lines of ${files.length} files could not be read\n`);
  }
  return outcome;
}

function arrivalsOf({ table, candidate, live }: Common, { arrival = "observed", watched }: Flags) {
  const awaitsAbsence = [...candidate, ...(live ?? [])].some(({ absent }) => absent !== undefined);
  return { table, arrival, watched: watched && awaitsAbsence };
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
    const message = `the rule "${ids[twice]}" is already defined above`;
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

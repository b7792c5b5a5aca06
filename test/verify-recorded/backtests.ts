import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { AlertChange } from "../../domain/alert.ts";
import type { Check } from "./compare.ts";
import { checkMovedThreshold, LIMIT_YAML, MOVED_LIMIT_YAML } from "./moved-threshold.ts";
import { rows } from "./sql.ts";

const run = promisify(execFile);
const EXAMPLES = 5;
const BACKTEST_MS_MAX = 600_000;

export interface BacktestsOptions {
  /** The gateway's program and first arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly dataDir: string;
  /** The rules that the gateway ran. */
  readonly rulesDir: string;
  /** All alert changes of the gateway, in the order of its log. */
  readonly emitted: readonly AlertChange[];
  /** Rules whose results depend on the arrival order of readings across partitions, which only the log has. */
  readonly orderedRules: ReadonlySet<string>;
  readonly say: (text: string) => void;
}

/**
 * Backtests the gateway's rules over the readings that it stores, as a user would, and compares the changes one by
 * one.
 */
export class Backtests {
  readonly #options: BacktestsOptions;

  constructor(options: BacktestsOptions) {
    this.#options = options;
  }

  /** Over the log of the running gateway: everything is equal, including processing times and positions in the log. */
  async overLog(): Promise<Check[]> {
    const again = await this.#changes(["--over", "log"]);
    return difference("backtest over the log", this.#options.emitted.map(whole), again.map(whole));
  }

  /** Over readings without arrival times, as if all had arrived at once, as the replay sent them. */
  async over(name: string, source: readonly string[]): Promise<Check[]> {
    const again = await this.#changes(["--over", ...source, "--arrival", "at-once"]);
    return difference(`backtest over ${name}`, this.#emitted().map(essence), this.#unordered(again).map(essence));
  }

  /**
   * Over readings as if they had arrived when they were observed. The changes are the same, plus those of the last
   * windows of sensors that fell silent before the recording's end. Those windows close because the sensor is idle.
   */
  async overObserved(name: string, source: readonly string[], oracle: DuckDBConnection): Promise<Check[]> {
    const again = this.#unordered(await this.#changes(["--over", ...source]));
    const newest = await rows<{ device: string; metric: string; at: number }>(
      oracle,
      "SELECT device, metric, max(at_us) AS at FROM cells GROUP BY ALL",
    );
    const newestOf = new Map(newest.map(({ device, metric, at }) => [`${device} ${metric}`, at]));
    const closedByReadings = again.filter(({ key, evidence }) => {
      const newestUs = newestOf.get(`${key.device} ${key.metric}`);
      return newestUs === undefined || evidence.window.endUs <= newestUs;
    });
    return difference(`backtest over ${name} as observed`, this.#emitted().map(essence), closedByReadings.map(essence));
  }

  async movedThreshold(source: readonly string[], oracle: DuckDBConnection): Promise<Check[]> {
    const { dataDir } = this.#options;
    const [before, after] = [join(dataDir, "limit.yaml"), join(dataDir, "moved-limit.yaml")];
    await writeFile(before, LIMIT_YAML);
    await writeFile(after, MOVED_LIMIT_YAML);
    const flags = ["--diff", before, "--over", ...source, "--arrival", "at-once"];
    return checkMovedThreshold(oracle, await this.#backtest(after, "json", flags));
  }

  #emitted(): readonly AlertChange[] {
    return this.#unordered(this.#options.emitted);
  }

  #unordered(changes: readonly AlertChange[]): readonly AlertChange[] {
    return changes.filter(({ rule }) => !this.#options.orderedRules.has(rule));
  }

  async #changes(flags: readonly string[]): Promise<readonly AlertChange[]> {
    const text = await this.#backtest(this.#options.rulesDir, "changes", flags);
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line): AlertChange => JSON.parse(line));
  }

  async #backtest(rules: string, format: string, flags: readonly string[]): Promise<string> {
    const { command, env, dataDir, say } = this.#options;
    const [program = "node", ...first] = command;
    const output = join(dataDir, `backtest.${format}`);
    const begunMs = performance.now();
    const common = ["rules", "backtest", rules, "--data-dir", dataDir, "--format", format, "--output", output];
    await run(program, [...first, ...common, ...flags], {
      env: { ...process.env, ...env },
      cwd: dataDir,
      timeout: BACKTEST_MS_MAX,
    });
    say(`backtest ${flags.join(" ")}: ${((performance.now() - begunMs) / 1000).toFixed(1)} s`);
    return readFile(output, "utf8");
  }
}

/** A change without the time and the log entry that it was computed from. */
function essence({ incident, rule, key, from, state, atUs, activeAtUs, value, evidence }: AlertChange): string {
  const { window, aggregate, condition, watermarkUs } = evidence;
  const said = { incident, rule, key: sorted(key), from, state, atUs, activeAtUs, value };
  return JSON.stringify({ ...said, window, aggregate, condition, watermarkUs });
}

function whole(change: AlertChange): string {
  const { evidence } = change;
  const { partition, sequence } = evidence.input;
  return JSON.stringify(sorted({ ...change, evidence: sorted({ ...evidence, input: { partition, sequence } }) }));
}

function sorted(fields: object): object {
  return Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** An empty list proves nothing, so it counts as different. */
export function difference(what: string, emitted: readonly string[], again: readonly string[]): Check[] {
  const [missing, extra] = [without(emitted, again), without(again, emitted)];
  const none = (name: string, found: readonly string[]): Check => ({
    what: `${what}: ${name}`,
    expected: 0,
    got: found.length,
    equal: found.length === 0,
    examples: found.slice(0, EXAMPLES),
  });
  return [
    {
      what,
      expected: emitted.length,
      got: again.length,
      equal: emitted.length > 0 && emitted.length === again.length,
      examples: [],
    },
    none("changes missing", missing),
    none("changes that were not emitted", extra),
  ];
}

/** The elements of `all` that are not in `others`, as multisets. */
function without(all: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const one of others) left.set(one, (left.get(one) ?? 0) + 1);
  return all.filter((one) => {
    const count = left.get(one) ?? 0;
    left.set(one, count - 1);
    return count <= 0;
  });
}

import { readFile } from "node:fs/promises";
import { readingsSubject } from "../../../domain/subjects.ts";
import { BadFileError, parseYaml } from "../../../platform/files/yaml-file.ts";
import type { Log } from "../../../platform/log/port.ts";
import { askRules } from "../../../rule-tools/backtest/forwarded-rules.ts";
import type { RecordedRow } from "../../../rule-tools/backtest/rows-source.ts";
import { beijingAirReplay } from "../../../simulators/beijing-air.ts";
import { type ReplayConfig, replayConfig } from "../../../simulators/config.ts";
import { mergeByTime } from "../../../simulators/merge.ts";
import { findRecordings, readRecording } from "../../../simulators/recording.ts";
import { UsageError } from "../common/failures.ts";

/** `[fromUs, toUs)`, in processing time for a log and in observation time elsewhere. */
export interface Stretch {
  readonly fromUs: number | undefined;
  readonly toUs: number | undefined;
}

const ROWS_AT_ONCE = 1_024;
const PARTITIONS_MAX = 256;

/** The number of partitions of the log. The processors know it; if none runs, the readings show it. */
export async function partitionsOf(log: Pick<Log, "lastFor" | "bus">): Promise<number> {
  const inForce = await askRules(log);
  if (inForce !== undefined) return inForce.partitions;
  const subjects = Array.from({ length: PARTITIONS_MAX }, (_, partition) => readingsSubject(partition));
  const newest = await Promise.all(subjects.map((subject) => log.lastFor("READINGS", subject)));
  return newest.findLastIndex((message) => message !== undefined) + 1 || 1;
}

/** Recordings as in `weir simulate replay`. `columns`: `beijing-air`, or a YAML file like its --config. */
export async function recordingConfig(
  paths: readonly string[],
  options: { readonly columns: string | undefined; readonly site: string | undefined },
): Promise<ReplayConfig> {
  const { columns, site } = options;
  const given = { paths: [...paths], ...(site === undefined ? {} : { site }) };
  if (columns === "beijing-air") return beijingAirReplay({ url: "mqtt://127.0.0.1", speed: "max", ...given });
  if (columns === undefined) return replayConfig.parse(given);
  let source: string;
  try {
    source = await readFile(columns, "utf8");
  } catch {
    throw new UsageError(
      `--columns ${columns}: no such file; give beijing-air, or a YAML file as for weir simulate replay --config`,
    );
  }
  const parsed = parseYaml(source, columns, replayConfig.partial({ paths: true }));
  if (!parsed.ok) throw new BadFileError(parsed.problems);
  return { ...parsed.value, ...given };
}

/** Rows by time, and the number of lines without readings. */
export async function recordedRows(config: ReplayConfig, { fromUs, toUs }: Stretch) {
  const files = await findRecordings(config.paths);
  const counts = { rowsUnreadable: 0, rowsEmpty: 0 };
  async function* rows(): AsyncGenerator<readonly RecordedRow[]> {
    let some: RecordedRow[] = [];
    for await (const row of mergeByTime(files.map((file) => readRecording(file, config.columns, counts)))) {
      if ((fromUs !== undefined && row.atUs < fromUs) || (toUs !== undefined && row.atUs >= toUs)) continue;
      some.push(row);
      if (some.length < ROWS_AT_ONCE) continue;
      yield some;
      some = [];
    }
    yield some;
  }
  return { files, counts, rows: rows() };
}

import { STREAMS } from "../../../domain/subjects.ts";
import { formatInstantUs } from "../../../domain/time.ts";
import { instantUs } from "../../../platform/log/jetstream-stores.ts";
import type { ProbedStream } from "../../../platform/log/probe.ts";
import type { StreamChange } from "../../../platform/log/stream-changes.ts";
import { settingName, settingText, sizeText } from "../../../platform/log/stream-texts.ts";

const HEADING = ["stream", "max_age", "max_size", "messages", "holds", "oldest", "newest"];

/** A table of the streams of the log. */
export function streamLines(streams: ReadonlyMap<string, ProbedStream>): readonly string[] {
  const rows = STREAMS.flatMap((name) => {
    const stream = streams.get(name);
    return stream === undefined ? [] : [rowOf(name, stream)];
  });
  return tableLines([HEADING, ...rows]);
}

function rowOf(name: string, { config, state }: ProbedStream): readonly string[] {
  const limits = [settingText("max_age", config.max_age), settingText("max_bytes", config.max_bytes)];
  const times = state.messages === 0 ? ["-", "-"] : [state.first_ts, state.last_ts].map(timeText);
  return [name, ...limits, String(state.messages), sizeText(state.bytes), ...times];
}

function timeText(text: string): string {
  return formatInstantUs(instantUs(text));
}

/** A heading for the stream, a line for each setting, and the messages that the change deletes. */
export function changeLines({ stream, wanted, differences, deletes }: StreamChange): readonly string[] {
  const settings = differences.map(
    ({ key, given, wanted: value }) =>
      `  ${settingName(key)}: ${settingText(key, given)} now, ${settingText(key, value)} wanted`,
  );
  const { messages, bytes } = stream.state;
  const of = `of ${messages} messages, ${sizeText(bytes)}`;
  const deleted =
    deletes.messages === 0
      ? `  deletes nothing ${of}`
      : `  deletes about ${deletes.messages} messages, ${sizeText(deletes.bytes)}, the oldest ${of}`;
  return [`stream ${wanted.name}`, ...settings, deleted];
}

function tableLines(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = HEADING.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

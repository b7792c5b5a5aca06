import { deviceKey } from "../../../domain/reading.ts";
import { formatInstantUs } from "../../../domain/time.ts";
import type { SourceConfig } from "../../../ingest/mapping/source-fields.ts";
import { suggestSources } from "../../../ingest/trials/suggest.ts";
import { type Trial, type TriedMessage, type TriedReading, tryMessage } from "../../../ingest/trials/trial.ts";

const READINGS_SHOWN_MAX = 40;

/** What each source makes of a message; and if none reads it, a source that would. */
export function trialLines(message: TriedMessage, sources: readonly SourceConfig[]): string[] {
  const lines: string[] = [];
  let isTaken = false;
  for (const [i, source] of sources.entries()) {
    const name = `source ${i + 1}, ${[source.topic].flat().join(", ").slice(0, 200)}`;
    if (isTaken) {
      const trial = tryMessage(source, message);
      if (trial.kind === "read" || trial.kind === "ignored")
        lines.push(`${name}: not asked, because an earlier one takes it`);
      continue;
    }
    const trial = tryMessage(source, message);
    lines.push(`${name}: ${outcomeOf(trial)}`);
    if (trial.kind === "read") {
      lines.push(...trial.readings.slice(0, READINGS_SHOWN_MAX).map((reading) => `  ${readingLine(reading)}`));
      const more = trial.readings.length - READINGS_SHOWN_MAX;
      if (more > 0) lines.push(`  and ${more} more`);
    }
    isTaken = trial.kind === "read" || trial.kind === "ignored";
  }
  if (isTaken) return lines;
  const [suggestion] = suggestSources([message]);
  if (suggestion === undefined) return [...lines, "no source reads it, and none that would was found"];
  return [...lines, "no source reads it; this one would:", `  - ${JSON.stringify(suggestion.source)}`];
}

function outcomeOf(trial: Trial): string {
  switch (trial.kind) {
    case "other-topic":
      return `another topic: ${trial.why}`;
    case "condition":
      return `\`when\` does not hold: ${trial.when}`;
    case "ignored":
      return "takes it, and ignores it";
    case "failed":
      return `cannot be tried here: ${trial.why}`;
    case "read": {
      const { readings, problem } = trial;
      const count = `${readings.length} ${readings.length === 1 ? "reading" : "readings"}`;
      if (problem === undefined) return `takes it: ${count}`;
      const place = problem.position === undefined ? "" : ` (byte ${problem.position})`;
      return `takes it: ${count}, and a dead letter: ${problem.reason}: ${problem.detail}${place}`;
    }
  }
}

function readingLine({ device, tags, metric, value, atUs }: TriedReading): string {
  const time =
    atUs === undefined
      ? "at its receipt"
      : Number.isNaN(atUs)
        ? "at its receipt: its time cannot be right"
        : formatInstantUs(atUs);
  return `${deviceKey({ device, tags })} ${metric} = ${JSON.stringify(value)} (${typeof value}) ${time}`;
}

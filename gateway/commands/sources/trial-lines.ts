import type { SourceTrial } from "../../../contracts/trials.ts";
import { deviceKey } from "../../../domain/reading.ts";
import { formatInstantUs } from "../../../domain/time.ts";
import type { SourceConfig } from "../../../ingest/mapping/source-fields.ts";
import { trialReport } from "../../../ingest/trials/report.ts";
import type { TriedMessage } from "../../../ingest/trials/trial.ts";

const TOPICS_CHARACTERS_MAX = 200;

/** What each source makes of a message; and if none reads all of it, a source that does. */
export function trialLines(message: TriedMessage, sources: readonly SourceConfig[]): string[] {
  const { trials, suggestion } = trialReport(message, sources);
  const lines = trials.flatMap((trial, i) => {
    // What another topic's source would do is of no interest after one that takes the message.
    const isTaken = trials.slice(0, i).some(({ outcome }) => outcome === "read" || outcome === "ignored");
    if (isTaken && trial.outcome !== "not-asked") return [];
    const name = `source ${i + 1}, ${trial.source.slice(0, TOPICS_CHARACTERS_MAX)}`;
    const more = trial.count - trial.readings.length;
    return [
      `${name}: ${outcomeOf(trial)}`,
      ...trial.readings.map((reading) => `  ${readingLine(reading)}`),
      ...(more > 0 ? [`  and ${more} more`] : []),
    ];
  });
  if (trials.some(takesAll)) return lines;
  if (suggestion === undefined) return [...lines, "no source reads it, and none that would was found"];
  const { yaml, before } = suggestion;
  const where =
    before === undefined
      ? "no source reads it; this one would:"
      : `put this before source ${before}; it reads all of it:`;
  return [...lines, where, yaml.replace(/^/gm, "  ")];
}

function takesAll({ outcome, why }: SourceTrial): boolean {
  return outcome === "ignored" || (outcome === "read" && why === "");
}

function outcomeOf({ outcome, why, reason, count, position }: SourceTrial): string {
  switch (outcome) {
    case "other-topic":
      return `another topic: ${why}`;
    case "condition":
      return why;
    case "ignored":
      return "takes it, and ignores it";
    case "failed":
      return `cannot be tried here: ${why}`;
    case "not-asked":
      return "not asked, because an earlier one takes it";
    case "read": {
      const readings = `takes it: ${count} ${count === 1 ? "reading" : "readings"}`;
      if (reason === undefined) return readings;
      return `${readings}, and a dead letter: ${reason}: ${why}${position === undefined ? "" : ` (byte ${position})`}`;
    }
  }
}

function readingLine({ device, tags, metric, value, time, atUs }: SourceTrial["readings"][number]): string {
  const wrong = "at its receipt: its time cannot be right";
  const when = atUs !== undefined ? formatInstantUs(atUs) : time === "wrong" ? wrong : "at its receipt";
  return `${deviceKey({ device, tags })} ${metric} = ${JSON.stringify(value)} (${typeof value}) ${when}`;
}

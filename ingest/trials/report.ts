import { stringify } from "yaml";
import type { SourceTrial, TrialReport } from "../../contracts/trials.ts";
import type { SharedState } from "../mapping/decoder.ts";
import type { SourceConfig } from "../mapping/source-fields.ts";
import { topicsOf } from "../mapping/source-plan.ts";
import { suggestSources } from "./suggest.ts";
import { type Trial, type TriedMessage, type TriedReading, tryMessage } from "./trial.ts";

const READINGS_SHOWN_MAX = 40;

/** What each source makes of a message; and if none reads all of it, a source that does. */
export function trialReport(
  message: TriedMessage,
  sources: readonly SourceConfig[],
  shared?: SharedState,
): TrialReport {
  const tried = sources.map((source) => ({ source, trial: tryMessage(source, message, shared) }));
  const takenAt = tried.findIndex(({ trial: { kind } }) => kind === "read" || kind === "ignored");
  const trials = tried.map(({ source, trial }, i) => {
    const isLater = takenAt >= 0 && i > takenAt && (trial.kind === "read" || trial.kind === "ignored");
    return reported(topicsOf(source).join(", "), isLater ? "not-asked" : trial);
  });
  const taken = tried[takenAt]?.trial;
  if (taken?.kind === "ignored" || isRead(taken)) return { trials };
  // A source that takes the message is replaced only by one that reads all of it.
  const suggestion = suggestSources([message]).find(({ isWhole }) => taken === undefined || isWhole);
  if (suggestion === undefined) return { trials };
  const yaml = stringify([suggestion.source]).trimEnd();
  return { trials, suggestion: { yaml, ...(takenAt < 0 ? {} : { before: takenAt + 1 }) } };
}

function isRead(trial: Trial | undefined): boolean {
  return trial?.kind === "read" && trial.problem === undefined && trial.readings.length > 0;
}

function reported(source: string, trial: Trial | "not-asked"): SourceTrial {
  if (trial === "not-asked") return { source, outcome: trial, why: "", readings: [], count: 0 };
  if (trial.kind !== "read") return { source, outcome: trial.kind, why: whyNot(trial), readings: [], count: 0 };
  const { readings, problem } = trial;
  const nothing = readings.length === 0 ? "it finds no readings in the message" : "";
  const why = problem?.detail ?? nothing;
  return {
    ...{ source, outcome: trial.kind, why, count: readings.length },
    readings: readings.slice(0, READINGS_SHOWN_MAX).map(shownReading),
    ...(problem === undefined ? {} : { reason: problem.reason }),
    ...(problem?.position === undefined ? {} : { position: problem.position }),
  };
}

function whyNot(trial: Exclude<Trial, { readonly kind: "read" }>): string {
  switch (trial.kind) {
    case "condition":
      return `\`when\` does not hold: ${trial.when}`;
    case "ignored":
      return "";
    default:
      return trial.why;
  }
}

function shownReading({ atUs, ...reading }: TriedReading): SourceTrial["readings"][number] {
  if (atUs === undefined) return { ...reading, time: "received" };
  return Number.isNaN(atUs) ? { ...reading, time: "wrong" } : { ...reading, time: "payload", atUs };
}

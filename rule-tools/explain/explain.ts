import type { IncidentExplanation, WhyNotAnswer, WhyNotQuestion } from "../../contracts/explanations.ts";
import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import { parseIncidentId } from "../../domain/alert-ids.ts";
import { SeriesTable } from "../../domain/frame-reader.ts";
import { partitionOf } from "../../domain/partition.ts";
import type { Tags } from "../../domain/reading.ts";
import { alertSubject } from "../../domain/subjects.ts";
import { parseDurationUs, US_PER_HOUR } from "../../domain/time.ts";
import { compileRule } from "../../engine/rules/compile.ts";
import { isOverDevices, shareOf } from "../../engine/tasks/shares.ts";
import { entrySubjects, taskInput } from "../../engine/tasks/task-input.ts";
import { newestSequence } from "../../platform/log/newest-sequence.ts";
import { groupedBy } from "../../rule-language/spec/grouping.ts";
import { hasAlert } from "../../rule-language/spec/levels-spec.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { DecidingWindow } from "./deciding-window.ts";
import { explainIncident } from "./incident.ts";
import { type LogToRead, readStretch, type Stretch } from "./log-stretch.ts";
import { WhyNot } from "./why-not.ts";

export interface ExplainDeps {
  readonly log: LogToRead;
  readonly partitions: number;
  /** The current rules. */
  readonly rules: () => readonly RuleSpec[];
  readonly nowUs: () => number;
  readonly deadline?: Stretch["deadline"];
  /** The changes of an incident in the store, in any order; asked when the log lacks some. Rejects if it has no answer. */
  readonly storedChanges?: (incident: string) => Promise<readonly AlertChange[]>;
}

/** The question cannot be answered. The message gives the reason. */
export class ExplainError extends Error {
  override readonly name = "ExplainError";
}

/** An incident normally has a few changes. Edits of its rule can add more. */
const CHANGES_MAX = 100;
/** How much later than its storage time a reading may be observed. More than the clock guard allows. */
const CLOCK_SLACK_US = US_PER_HOUR;

/** Explains an incident. Throws ExplainError if neither the log nor the store holds it. */
export async function explainFromLog(incident: string, deps: ExplainDeps): Promise<IncidentExplanation> {
  const { partitions, rules } = deps;
  const changes = await changesOf(incident, deps);
  const table = new SeriesTable();
  const windows = changes.flatMap((change) => {
    const spec = rules().find(({ id }) => id === change.rule);
    const { parts = [undefined] } = change.evidence;
    return parts.map((part) => new DecidingWindow(change, table, spec, part));
  });
  const notes: string[] = [];
  if (changes.length === CHANGES_MAX) notes.push(`only its first ${CHANGES_MAX} changes are shown`);
  // An incident stays with one task while the number of partitions stays the same.
  for (const task of new Set(changes.map(({ evidence }) => evidence.input.partition))) {
    const ofTask = windows.filter(({ change }) => change.evidence.input.partition === task);
    notes.push(...(await gather(ofTask, task, { ...deps, table })));
  }
  if (windows.some(({ change }) => change.evidence.input.partition >= 2 * partitions)) {
    notes.push("it comes from a log with a different number of partitions");
  }
  return explainIncident(windows, notes);
}

async function gather(
  windows: readonly DecidingWindow[],
  task: number,
  deps: ExplainDeps & { readonly table: SeriesTable },
): Promise<string[]> {
  const { log, partitions, table, deadline } = deps;
  const { stream, subjects } = taskInput(task, partitions);
  const { firstSequence, firstAtUs, lastSequence: newest, messages } = await log.bounds(stream);
  const sequences = windows.map(({ change }) => change.evidence.input.sequence);
  const lastSequence = Math.max(...sequences);
  // The store outlives a log: the sequences of a new log are others, and its entries are newer.
  const isOfEarlierLog = windows.every(({ change }) => change.processedAtUs < firstAtUs) || lastSequence > newest;
  if (messages === 0 || lastSequence < firstSequence || isOfEarlierLog)
    return ["the readings behind it are no longer in the log"];
  let beginUs = Number.POSITIVE_INFINITY;
  for (const { part } of windows) {
    const { startUs, endUs } = part.window;
    // One length earlier, to find the state in which a window begins.
    beginUs = Math.min(beginUs, startUs - (endUs - startUs));
  }
  const fromUs = beginUs - CLOCK_SLACK_US;
  const from = fromUs <= firstAtUs ? ({ kind: "first" } as const) : ({ kind: "time", atUs: fromUs } as const);
  await readStretch(
    log,
    { stream, subjects, task, from, lastSequence, table, ...(deadline ? { deadline } : {}) },
    (entry, position) => {
      for (const window of windows) window.take(entry, position);
    },
  );
  return Math.min(...sequences) < firstSequence ? ["some of the readings behind it are no longer in the log"] : [];
}

/** The changes of an incident, oldest first: from the log, and from the store if the log lacks its beginning. */
async function changesOf(incident: string, { log, storedChanges }: ExplainDeps): Promise<AlertChange[]> {
  const logged = await changesInLog(incident, log);
  if (logged[0]?.from === "inactive") return logged;
  const stored = await storedChanges?.(incident).catch(() => undefined);
  const byId = new Map([...(stored ?? []), ...logged].map((change) => [change.id, change]));
  const changes = [...byId.values()].sort(
    (a, b) =>
      a.atUs - b.atUs || a.processedAtUs - b.processedAtUs || a.evidence.input.sequence - b.evidence.input.sequence,
  );
  if (changes.length > 0) return changes.slice(0, CHANGES_MAX);
  const asked = stored === undefined ? "the log holds no" : "neither the log nor the store holds";
  throw new ExplainError(`${asked} incident ${incident}; it may be misspelled or too old`);
}

/** Read from the subject of its alert. */
async function changesInLog(incident: string, log: LogToRead): Promise<AlertChange[]> {
  const parts = parseIncidentId(incident);
  if (!parts)
    throw new ExplainError(
      `"${incident}" is not an incident; an id looks like cold-room-warm-0f3c...-k2x9 (see weir alerts list)`,
    );
  const subject = alertSubject(parts.rule, parts.keyHash);
  const newest = await log.lastFor("ALERTS", subject);
  const changes: AlertChange[] = [];
  if (newest !== undefined) {
    const reader = log.read({ stream: "ALERTS", subjects: [subject], from: { kind: "first" } });
    try {
      for await (const batch of reader) {
        for (const { payload } of batch) {
          const { data }: AlertEvent = JSON.parse(new TextDecoder().decode(payload));
          if (data.incident === incident && changes.length < CHANGES_MAX) changes.push(data);
        }
        if ((batch.at(-1)?.sequence ?? newest.sequence) >= newest.sequence) break;
      }
    } finally {
      await reader.close();
    }
  }
  return changes;
}

/** Explains why a rule does not fire for a group. Throws ExplainError if the question cannot be answered. */
export async function whyNotFromLog(question: WhyNotQuestion, deps: ExplainDeps): Promise<WhyNotAnswer> {
  const { log, partitions, rules, nowUs, deadline } = deps;
  const spec = rules().find(({ id }) => id === question.rule);
  if (spec === undefined) {
    throw new ExplainError(
      `no rule "${question.rule}" is in force; the rules are ${
        rules()
          .map(({ id }) => id)
          .join(", ") || "none"
      }`,
    );
  }
  const { labels } = question;
  const atUs = question.atUs ?? nowUs();
  if (!hasAlert(spec)) {
    const text = "the rule has no `when`: it computes windows and never fires";
    return { rule: spec.id, labels, atUs, alerts: [], reasons: [{ part: "rule", holds: false, text }] };
  }
  const task = taskOf(spec, labels, partitions);
  const input = taskInput(task, partitions);
  const { firstAtUs, messages } = await log.bounds(input.stream);
  const table = new SeriesTable();
  const isPast = messages > 0 && atUs < firstAtUs;
  const whyNot = new WhyNot(spec, labels, { table, ...(isPast ? { untilEventUs: atUs } : {}) });
  const lastSequence = messages === 0 ? 0 : await newestSequence(log, input.stream, entrySubjects(input));
  const fromUs = atUs - lookBackUs(spec);
  const stretch = {
    ...{ stream: input.stream, subjects: input.subjects, task, lastSequence, table },
    from: isPast || fromUs <= firstAtUs ? ({ kind: "first" } as const) : ({ kind: "time", atUs: fromUs } as const),
    ...(isPast ? {} : { untilUs: atUs }),
    ...(deadline ? { deadline } : {}),
  };
  await readStretch(log, stretch, (entry, position) => whyNot.take(entry, position));
  return { rule: spec.id, labels, atUs, ...whyNot.answer(isPast ? Number.POSITIVE_INFINITY : atUs) };
}

function taskOf(spec: RuleSpec, labels: Tags, partitions: number): number {
  if (!isOverDevices(spec)) {
    if (labels.device === undefined)
      throw new ExplainError(`say which device: ${spec.id} groups by ${groupedBy(spec)}`);
    return partitionOf(labels.device, partitions);
  }
  const names = [spec.group_by].flat();
  const missing = names.filter((name) => labels[name] === undefined);
  if (missing.length > 0)
    throw new ExplainError(`say which ${missing.join(" and ")}: ${spec.id} groups by ${groupedBy(spec)}`);
  const key = Object.fromEntries(names.map((name) => [name, labels[name] ?? ""]));
  return partitions + shareOf(key, partitions);
}

/** Long enough to rebuild the state of the alert. */
function lookBackUs(spec: RuleSpec): number {
  const { forUs, keepFiringForUs, inputs } = compileRule(spec);
  const horizonUs = Math.max(...inputs.map((input) => input.horizonUs));
  return 2 * (forUs + keepFiringForUs) + 2 * horizonUs + (parseDurationUs(spec.absent ?? "") ?? 0) + CLOCK_SLACK_US;
}

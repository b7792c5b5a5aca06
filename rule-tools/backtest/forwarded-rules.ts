import { EXPLAIN_RULES, type RulesInForce } from "../../contracts/explanations.ts";
import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import { partitionOfSubject } from "../../domain/subjects.ts";
import { isOverDevices } from "../../engine/tasks/shares.ts";
import { type Log, type LogMessage, NoAnswerError } from "../../platform/log/port.ts";
import { takesTexts } from "../../rule-language/aggregates/aggregate.ts";
import { checkedAggregate } from "../../rule-language/spec/checked.ts";
import { checkedRuleSet } from "../../rule-language/spec/read-rule-set.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";

/** A stretch of the log in processing time: `[fromUs, toUs)`. */
export interface LogStretch {
  readonly fromUs: number | undefined;
  readonly toUs: number | undefined;
}

/** The first byte of a LogEntry with a rule set: its field number and wire type. */
const RULE_SET_TAG = 26;
const ANSWER_MS_MAX = 5_000;

/**
 * Returns whether the groups log is complete for a rule over several devices. It is complete if the gateway had a
 * rule with the same readings and groups throughout the stretch, because the gateway forwards only what its own rules
 * read.
 */
export async function rulesForwarded(
  log: Pick<Log, "read" | "bounds" | "bus">,
  stretch: LogStretch,
): Promise<(spec: RuleSpec) => boolean> {
  const { messages } = await log.bounds("GROUPS");
  if (messages === 0) return () => false;
  const ruleSets = await ruleSetsInForce(log, stretch);
  if (ruleSets === undefined) return () => false;
  const forwarded = ruleSets.map((specs) => specs.filter(isOverDevices).map(wantsOf));
  return (spec) => {
    const wants = wantsOf(spec);
    return forwarded.every((all) => all.some((one) => one.which === wants.which && (one.texts || !wants.texts)));
  };
}

/** Undefined if the log does not show them: it starts after the rule set that was in force, and holds a later one. */
async function ruleSetsInForce(
  log: Pick<Log, "read" | "bounds" | "bus">,
  { fromUs = Number.NEGATIVE_INFINITY, toUs = Number.POSITIVE_INFINITY }: LogStretch,
): Promise<(readonly RuleSpec[])[] | undefined> {
  const { firstSequence, lastSequence } = await log.bounds("READINGS");
  const frames = new FrameReader(new SeriesTable());
  /** The newest set of each partition before the stretch, and all sets in it. */
  const before = new Map<number, readonly RuleSpec[] | undefined>();
  const within: (readonly RuleSpec[])[] = [];
  const first = new Map<number, number>();
  const take = ({ subject, payload, sequence, storedAtUs }: LogMessage): void => {
    const partition = partitionOfSubject(subject);
    if (!before.has(partition)) before.set(partition, undefined);
    if (payload[0] !== RULE_SET_TAG || storedAtUs >= toUs) return;
    const entry = frames.read(payload);
    if (entry.kind !== "rule_set") return;
    const specs = checkedRuleSet(entry.rulesJson);
    if (!first.has(partition)) first.set(partition, sequence);
    if (storedAtUs < fromUs) before.set(partition, specs);
    else within.push(specs);
  };
  if (lastSequence > 0) await readAll(log, lastSequence, take);
  const known = [...before.values()].filter((specs) => specs !== undefined);
  // In a log that is complete from its start, no rules were in force before the first set.
  if (firstSequence === 1 || known.length === before.size) return [...known, ...within];
  if (first.size > 0) return undefined;
  // No edit since the start of the log: the current rules were in force all the time.
  const now = await askRules(log);
  return now && [now.specs as readonly RuleSpec[]];
}

async function readAll(
  log: Pick<Log, "read">,
  lastSequence: number,
  take: (message: LogMessage) => void,
): Promise<void> {
  const reader = log.read({ stream: "READINGS", from: { kind: "first" } });
  try {
    for await (const batch of reader) {
      for (const message of batch) take(message);
      if ((batch.at(-1)?.sequence ?? lastSequence) >= lastSequence) return;
    }
  } finally {
    await reader.close();
  }
}

/** The rules in force according to the processors; undefined if none is running. */
export async function askRules({ bus }: Pick<Log, "bus">): Promise<RulesInForce | undefined> {
  try {
    return await bus.request(EXPLAIN_RULES, {}, { timeoutMs: ANSWER_MS_MAX });
  } catch (error) {
    if (error instanceof NoAnswerError) return undefined;
    throw error;
  }
}

/** Equal keys mean the same readings in the same groups, except for texts. */
function wantsOf(spec: RuleSpec): { readonly which: string; readonly texts: boolean } {
  const lets = "let" in spec ? spec.let : undefined;
  const onlyTexts = spec.aggregate.map(checkedAggregate).every(takesTexts);
  return {
    which: JSON.stringify([spec.where, spec.group_by, lets]),
    texts: spec.absent !== undefined || onlyTexts,
  };
}

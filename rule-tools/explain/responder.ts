import {
  EXPLAIN_INCIDENT,
  EXPLAIN_RULES,
  EXPLAIN_WHY_NOT,
  type Reason,
  type RulesInForce,
  type WhyNotAlert,
  type WhyNotAnswer,
} from "../../contracts/explanations.ts";
import { HISTORY_INCIDENT } from "../../contracts/history.ts";
import { SILENCES_LIST, type Silence } from "../../contracts/notifications.ts";
import type { AlertChange } from "../../domain/alert.ts";
import type { Log } from "../../platform/log/port.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { compileSelector } from "../../rule-language/spec/selector.ts";
import { ExplainError, explainFromLog, whyNotFromLog } from "./explain.ts";

/** Less than the 8 s that the requester waits. */
const ANSWER_MS_MAX = 7_000;
const SILENCES_MS_MAX = 500;
const STORE_MS_MAX = 3_000;
/** Each answer may read much of the log, so more at once would delay processing. */
const ANSWERS_AT_ONCE = 2;

/** Answers `explain.incident`, `explain.whyNot` and `explain.rules` on the bus. Returns a function that stops it. */
export function respondExplanations(deps: {
  readonly log: Log;
  readonly partitions: number;
  readonly rules: () => { readonly specs: readonly RuleSpec[] };
  readonly nowUs: () => number;
}): () => void {
  const { log, partitions, nowUs } = deps;
  const nowMs = () => performance.now();
  let busy = 0;

  async function bounded<T>(answer: (explain: Parameters<typeof explainFromLog>[1]) => Promise<T>): Promise<T> {
    if (busy >= ANSWERS_AT_ONCE) throw new ExplainError("too many questions at once; try again in a few seconds");
    busy++;
    try {
      const deadline = { nowMs, atMs: nowMs() + ANSWER_MS_MAX };
      const storedChanges = (incident: string) => askStore(log, incident);
      return await answer({ log, partitions, nowUs, deadline, storedChanges, rules: () => deps.rules().specs });
    } finally {
      busy--;
    }
  }

  const stops = [
    log.bus.respond(EXPLAIN_RULES, async (): Promise<RulesInForce> => ({ specs: deps.rules().specs, partitions })),
    log.bus.respond(EXPLAIN_INCIDENT, ({ incident }) => bounded((explain) => explainFromLog(incident, explain))),
    log.bus.respond(EXPLAIN_WHY_NOT, async (question) => {
      const answer = await bounded((explain) => whyNotFromLog(question, explain));
      const spec = deps.rules().specs.find(({ id }) => id === question.rule);
      return spec ? withSilences(answer, spec, await silences(log)) : answer;
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

/** The newest changes of an incident in the store: it rarely has more than one page. */
async function askStore(log: Log, incident: string): Promise<readonly AlertChange[]> {
  return (await log.bus.request(HISTORY_INCIDENT, { incident }, { timeoutMs: STORE_MS_MAX })).changes;
}

/** Adds the silences that suppress notifications of a firing alert. */
export function withSilences(answer: WhyNotAnswer, spec: RuleSpec, known: readonly Silence[]): WhyNotAnswer {
  const alerts = answer.alerts.map((alert): WhyNotAlert => {
    const {
      device = "",
      metric = "",
      ...tags
    } = { ...spec.labels, ...alert.key, rule: spec.id, severity: spec.severity };
    const series = { device, metric, tags, kind: "number" } as const;
    const reasons = known.flatMap(({ id, matchers, fromUs, untilUs, by, why }): Reason[] => {
      const lasts = fromUs <= answer.atUs && answer.atUs < untilUs;
      const where = Object.fromEntries(
        Object.entries(matchers).map(([name, text]) => [name, typeof text === "string" ? text : [...text]]),
      );
      if (!lasts || !compileSelector(where, { onlyNumbers: true }).matches(series)) return [];
      return [{ part: "silence", holds: false, text: `notifications are suppressed: silence ${id} by ${by} (${why})` }];
    });
    return { ...alert, reasons: [...alert.reasons, ...reasons] };
  });
  return { ...answer, alerts };
}

/** Empty if no notifier answers. */
async function silences(log: Log): Promise<readonly Silence[]> {
  try {
    return await log.bus.request(SILENCES_LIST, {}, { timeoutMs: SILENCES_MS_MAX });
  } catch {
    return [];
  }
}

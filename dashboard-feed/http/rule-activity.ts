import { z } from "zod";
import type { Log } from "../../platform/log/port.ts";
import { compileFilter } from "../common/filter.ts";
import { alertMatches } from "../views/alerts-view.ts";
import type { ApiDeps } from "./api.ts";
import { parseQuery } from "./query.ts";

const READ_MS_MAX = 3_000;

interface Activity {
  readonly rule: string;
  /** Incidents that fired, of those kept. */
  fired: number;
  /** Event time of the newest change. */
  lastAtUs: number;
}

/**
 * How often each rule fired among the incidents that are kept, and since when the rule set is in force. `sinceUs` is the
 * event time of the oldest change that was counted.
 */
export async function ruleActivity(query: URLSearchParams, { grant, views, log }: ApiDeps): Promise<string> {
  parseQuery(z.strictObject({}), query, "reject");
  const filter = compileFilter({}, grant.sites);
  const rules = new Map<string, Activity>();
  const fired = new Set<string>();
  let sinceUs: number | null = null;
  for (const { change } of views.alerts.snapshot()) {
    if (!alertMatches(filter, change)) continue;
    const { rule, incident, state, atUs } = change;
    const activity = rules.get(rule) ?? { rule, fired: 0, lastAtUs: atUs };
    rules.set(rule, activity);
    activity.lastAtUs = Math.max(activity.lastAtUs, atUs);
    // What was resolved did fire, even when that change is not kept.
    if ((state === "firing" || state === "resolved") && !fired.has(incident)) {
      fired.add(incident);
      activity.fired++;
    }
    sinceUs = Math.min(sinceUs ?? atUs, atUs);
  }
  const { ruleSet } = views.readings;
  const inForceSinceUs = ruleSet === undefined ? null : await storedAtUs(log, ruleSet.sequence);
  const { version = null, sequence = null } = ruleSet ?? {};
  return JSON.stringify({ version, sequence, inForceSinceUs, sinceUs, rules: [...rules.values()] });
}

/** When the log stored an entry of the readings; null when it is not kept any more. */
async function storedAtUs(log: Log, sequence: number): Promise<number | null> {
  const { firstSequence, lastSequence } = await log.bounds("READINGS");
  if (sequence < firstSequence || sequence > lastSequence) return null;
  const reader = log.read({ stream: "READINGS", from: { kind: "sequence", sequence }, bufferMessagesMax: 1 });
  const patience = setTimeout(() => void reader.close(), READ_MS_MAX);
  try {
    for await (const [message] of reader) return message?.sequence === sequence ? message.storedAtUs : null;
    return null;
  } finally {
    clearTimeout(patience);
    await reader.close();
  }
}

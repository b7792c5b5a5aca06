import { z } from "zod";
import { ruleActivitySchema, rulesAnswer } from "../../contracts/http/data.ts";
import { globMatches } from "../../domain/glob.ts";
import type { Log } from "../../platform/log/port.ts";
import { alertMatches } from "../views/alerts-view.ts";
import { operation } from "./operation.ts";

const READ_MS_MAX = 3_000;

const whereSite = z.object({ where: z.object({ site: z.union([z.string(), z.array(z.string())]) }) });

export const rules = operation({
  method: "GET",
  path: "/api/v1/rules",
  id: "rules",
  tag: "rules",
  summary: "The rule set in force",
  scope: { channels: ["alerts", "windows"] },
  answer: rulesAnswer,
  example: {},
  async handle({ grant, views }) {
    const { ruleSet } = views.readings;
    if (ruleSet === undefined) return { version: null, sequence: null, rules: [] };
    const { version, sequence } = ruleSet;
    const all = z.array(z.unknown()).parse(JSON.parse(ruleSet.rulesJson));
    return { version, sequence, rules: all.filter((rule) => concerns(rule, grant.sites)) };
  },
});

/** Whether a rule can read data of one of these sites. It cannot if it names only other sites. */
function concerns(rule: unknown, sites: readonly string[] | undefined): boolean {
  const about = whereSite.safeParse(rule);
  if (sites === undefined || !about.success) return true;
  return [about.data.where.site]
    .flat()
    .some((named) => /[*?[{!]/.test(named) || sites.some((pattern) => globMatches(pattern, named)));
}

interface Activity {
  readonly rule: string;
  fired: number;
  lastAtUs: number;
}

export const ruleActivity = operation({
  method: "GET",
  path: "/api/v1/rule-activity",
  id: "ruleActivity",
  tag: "rules",
  summary: "How often each rule fired, among the incidents that the feed keeps",
  scope: { channels: ["alerts"] },
  answer: ruleActivitySchema,
  example: {},
  async handle({ filter, views, log }) {
    const activities = new Map<string, Activity>();
    const fired = new Set<string>();
    let sinceUs: number | null = null;
    for (const { change } of views.alerts.snapshot()) {
      if (!alertMatches(filter, change)) continue;
      const { rule, incident, state, atUs } = change;
      const activity = activities.get(rule) ?? { rule, fired: 0, lastAtUs: atUs };
      activities.set(rule, activity);
      activity.lastAtUs = Math.max(activity.lastAtUs, atUs);
      // A resolved incident has fired, even when the view no longer has that change.
      if ((state === "firing" || state === "resolved") && !fired.has(incident)) {
        fired.add(incident);
        activity.fired++;
      }
      sinceUs = Math.min(sinceUs ?? atUs, atUs);
    }
    const { ruleSet } = views.readings;
    const inForceSinceUs = ruleSet === undefined ? null : await storedAtUs(log, ruleSet.sequence);
    const { version = null, sequence = null } = ruleSet ?? {};
    return { version, sequence, inForceSinceUs, sinceUs, rules: [...activities.values()] };
  },
});

/** When the log stored an entry of the readings; null when the log no longer holds it. */
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

import { closest } from "../../platform/files/closest.ts";
import { keysAt } from "../spec/rule-fields.ts";
import type { MendedIssue } from "./mended-issue.ts";

/** What other tools call things, or people in a hurry. */
const MEANT_KEYS: Readonly<Record<string, string>> = {
  alert: "id",
  name: "id",
  rule: "id",
  expr: "when",
  condition: "when",
  threshold: "when",
  trigger: "when",
  if: "when",
  until: "clear",
  reset: "clear",
  resolve: "clear",
  filter: "where",
  match: "where",
  selector: "where",
  by: "group_by",
  hold: "for",
  duration: "for",
  function: "aggregate",
  agg: "aggregate",
  level: "severity",
  priority: "severity",
  receivers: "notify",
  to: "notify",
  tags: "labels",
  grace: "lateness",
  timeout: "absent",
  silence: "absent",
  deadman: "absent",
  flap: "flapping",
  flap_detection: "flapping",
  flapping_detection: "flapping",
  flapping_threshold: "flapping",
  hysteresis: "clear",
  times: "changes",
  transitions: "changes",
  flips: "changes",
  count: "changes",
  max: "changes",
  window: "within",
  for: "within",
  period: "within",
  interval: "within",
  in: "within",
  schedule: "active",
  time: "active",
  active_time: "active",
  active_times: "active",
  active_time_intervals: "active",
  time_intervals: "active",
  time_window: "active",
  calendar: "active",
  only: "active",
  weekdays: "days",
  day: "days",
  day_of_week: "days",
  hour: "hours",
  from: "hours",
  start: "hours",
  end: "hours",
  between: "hours",
  timezone: "zone",
  time_zone: "zone",
  tz: "zone",
  location: "zone",
  holidays: "except",
  holiday: "except",
  exclude: "except",
  excluding: "except",
  dates: "except",
};

/** A key that means nothing where it stands, and what was meant. */
export function unknownKey(key: string, path: readonly PropertyKey[]): MendedIssue {
  const known = keysAt(path) ?? [];
  const base = { code: "E002", path: [...path, key], part: "key" } as const;
  const glued = /^(\w+)\s*:?\s*(\S.*)$/.exec(key);
  if (glued?.[1] !== undefined && glued[1] !== key && known.includes(glued[1])) {
    const message = `"${key}" is read as one word`;
    return {
      ...base,
      message,
      help: `a key ends with a colon and a space: ${glued[1]}: ${glued[2]?.replace(/^:\s*/, "")}`,
    };
  }
  const elsewhere = otherPlace(key, path);
  const meant = elsewhere === undefined ? wordFor(key, known) : undefined;
  const help = elsewhere ?? (meant ? `did you mean \`${meant}\`?` : `known here: ${known.join(", ")}`);
  return { ...base, message: `unknown key \`${key}\``, help };
}

function wordFor(key: string, known: readonly string[]): string | undefined {
  const meant = MEANT_KEYS[key.toLowerCase()];
  return meant !== undefined && known.includes(meant) ? meant : closest(key, known);
}

/** Keys that are right, at another place. */
function otherPlace(key: string, path: readonly PropertyKey[]): string | undefined {
  // A window, or a time for which, is what is meant there.
  if (path[0] === "flapping" && MEANT_KEYS[key] === "within") return undefined;
  if (path.length > 0) {
    const isOfRule = (keysAt([]) ?? []).includes(key);
    return isOfRule ? `\`${key}\` belongs to the rule: indent it less` : undefined;
  }
  if (["metric", "device", "site"].includes(key))
    return `it belongs into \`where\`, on its line or indented below it: where: { ${key}: ... }`;
  if ((keysAt(["window"]) ?? []).includes(key)) return `it belongs into \`window\`: window: { ${key}: ... }`;
  if ((keysAt(["active"]) ?? []).includes(key) || key === "timezone")
    return `it belongs into \`active\`: active: { ${key}: ... }`;
  if (key === "defaults") return "it stands at the top of the file, beside `rules:`";
  if (["not", "exclude", "unless", "ignore"].includes(key))
    return 'what is not wanted stands in `where` with a ! before it: where: { site: "!lab" }';
  if (["summary", "description", "message", "runbook"].includes(key))
    return `texts stand in \`annotations\`: annotations: { ${key}: ... }`;
  return undefined;
}

import { formatDurationUs } from "../../domain/time.ts";
import { Calendar } from "../calendar/calendar.ts";
import type { RuleProblem } from "../files/problem.ts";
import { hasAlert } from "../spec/levels-spec.ts";
import type { RuleSpec } from "../spec/rule-spec.ts";
import { type CheckedRule, usOf, warn } from "./warning.ts";

/** A span that includes leap years and puts most dates on each day of the week. */
const YEARS_FROM_US = Date.UTC(2024, 0, 1) * 1_000;
const YEARS_UNTIL_US = Date.UTC(2030, 0, 1) * 1_000;

/** Warns about calendars in which no window ends, or whose active time is always shorter than `for`. */
export function* deadCalendars(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec } = rule;
  if (spec.active === undefined || !hasAlert(spec)) return;
  // Other kinds of windows can end at any time.
  const step = stepUsOf(spec) || 1;
  const forUs = usOf(spec.for);
  let hasEnd = false;
  let longestUs = 0;
  for (const { fromUs, untilUs } of new Calendar(spec.active).stretches(YEARS_FROM_US, YEARS_UNTIL_US)) {
    const last = Math.floor(untilUs / step) * step;
    const first = (Math.floor(fromUs / step) + 1) * step;
    if (first > last) continue;
    hasEnd = true;
    longestUs = Math.max(longestUs, last - first);
    if (longestUs >= forUs) return;
  }
  const beside = ["window", "absent"];
  if (!hasEnd) {
    const message =
      spec.absent !== undefined
        ? "there is no active time"
        : "no window ends in active time, so the condition is never evaluated";
    const help = "windows are aligned to 1970-01-01 UTC: choose shorter ones, or other hours";
    yield warn("W019", rule, ["active"], { message, help, beside });
    return;
  }
  const message = `\`for: ${spec.for}\` is longer than any stretch of active time, so no alert fires`;
  const help = `\`when\` does not hold outside active time, and a stretch has room for ${formatDurationUs(longestUs)} at most`;
  yield warn("W019", rule, ["for"], { message, help, beside: ["active", "window"] });
}

/** Warns about more changes than fit into the time. */
export function* deadFlapping(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec } = rule;
  if (spec.flapping === undefined || !hasAlert(spec)) return;
  const { changes, within } = spec.flapping;
  const stepUs = stepUsOf(spec);
  const whole = (holdUs: number) => (stepUs === 0 ? holdUs : Math.ceil(holdUs / stepUs) * stepUs);
  const endsUs = spec.absent === undefined ? stepUs + whole(usOf(spec.keep_firing_for)) : 0;
  const beginsUs = spec.absent === undefined ? stepUs + whole(usOf(spec.for)) : usOf(spec.absent);
  const neededUs =
    Math.floor((changes - 1) / 2) * (endsUs + beginsUs) + ((changes - 1) % 2) * Math.min(endsUs, beginsUs);
  if (neededUs < usOf(within)) return;
  const message = `${changes} changes do not fit into ${within}: they take at least ${formatDurationUs(neededUs)}`;
  const help = `write for example within: ${formatDurationUs(4 * neededUs)}, or fewer changes`;
  const beside = ["window", "absent", "for", "keep_firing_for"];
  yield warn("W022", rule, ["flapping"], { message, help, beside });
}

/** The shortest time between two window ends; 0 if windows can end at any time. */
function stepUsOf({ window, let: lets, absent }: RuleSpec): number {
  if (absent !== undefined) return 0;
  const windows = lets === undefined ? [window] : Object.values(lets).map((own) => own.window ?? window);
  return Math.min(...windows.map((one) => usOf(one?.tumbling ?? one?.every ?? "0s")));
}

import { calendarSize } from "./calendar.ts";
import { seriesOf } from "./labels.ts";
import type { OracleRule } from "./model.ts";
import { durationUs } from "./texts.ts";

/** Without rules. */
export const NO_RULES_FORGET_US = durationUs("30d");

/** The forget time of a rule that shares no windows. */
function ownForgetUs(rule: OracleRule): number {
  const times = seriesOf(rule).map(({ name, spec }) => {
    if (spec.absent !== undefined) return 2 * durationUs(spec.absent);
    const { tumbling, hopping, sliding, session } = spec.window ?? {};
    const length = tumbling ?? hopping ?? sliding ?? session ?? calendarSize(spec.window ?? {});
    const offsetUs = durationUs(rule.let?.[name]?.offset ?? "0s");
    return offsetUs + durationUs(spec.lateness ?? "0s") + (length === undefined ? 0 : 4 * durationUs(length));
  });
  return Math.max(durationUs(rule.forget_after ?? "30d"), ...times);
}

/** The forget time of each rule: the longest among all that share windows with it, directly or through others. */
export function forgetTimesOf(
  rules: readonly { readonly rule: OracleRule; readonly windows: readonly unknown[] }[],
): number[] {
  const times = rules.map(({ rule }) => ownForgetUs(rule));
  for (let round = 0; round < rules.length; round++) {
    for (const [i, { windows }] of rules.entries()) {
      const sharing = rules.map((other, j) => (other.windows.some((each) => windows.includes(each)) ? times[j] : 0));
      times[i] = Math.max(times[i] ?? 0, ...sharing.map((each) => each ?? 0));
    }
  }
  return times;
}

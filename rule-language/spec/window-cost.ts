import { parseDurationUs, US_PER_DAY } from "../../domain/time.ts";
import { addFault } from "../../platform/files/fault.ts";
import { SPEC_TEXTS } from "./spec-texts.ts";

/**
 * The cost of a rule for each of its keys, from the rule alone: how many windows one key may keep at once. The check of
 * rule files and the engine use the same figures, so a rule that passes the check runs.
 */

/** The most windows that one key may keep at once. Each takes at least 64 bytes, for each key. */
export const WINDOWS_PER_KEY_MAX = 50_000;
/** Windows are open or retained for two sizes, and a late reading is in one more. */
const SIZES_KEPT = 3;
/** Joined results are kept for this many of the longest lengths, and these ends at least. */
const SIZES_JOINED = 4;
const ENDS_WAITING = 1_000;
const MONTH_DAYS = 31;

interface WindowFields {
  readonly tumbling?: string | undefined;
  readonly hopping?: string | undefined;
  readonly every?: string | undefined;
  readonly sliding?: string | undefined;
  readonly session?: string | undefined;
  readonly count?: number | undefined;
  readonly step?: number | undefined;
  readonly calendar?: "day" | "week" | "month" | undefined;
  readonly shifts?: readonly string[] | undefined;
}

export interface CostFields {
  readonly window?: WindowFields | undefined;
  readonly let?:
    | Readonly<Record<string, { readonly window?: WindowFields | undefined; readonly offset?: string | undefined }>>
    | undefined;
  readonly lateness: string;
}

/** Windows of which a key keeps as many as there can be. */
export interface WindowCost {
  readonly count: number;
  /** The length of the windows, or how often one begins: what to make longer. */
  readonly every: string;
}

/** The windows of one key of a rule: the most of its names, or of the ends at which they are joined. */
export function windowCostOf(rule: CostFields): WindowCost {
  const latenessUs = us(rule.lateness);
  if (rule.let === undefined) return costOf(rule.window ?? {}, latenessUs);
  const all = Object.values(rule.let).map(({ window = rule.window ?? {} }) => window);
  const own = all.map((window) => costOf(window, latenessUs));
  const longestUs = Math.max(...all.map(({ tumbling, hopping }) => us(tumbling ?? hopping)));
  const steps = all.map(({ tumbling, every }) => every ?? tumbling ?? "");
  const shortest = steps.reduce((a, b) => (us(b) < us(a) ? b : a), steps[0] ?? "");
  const offsetUs = Math.max(...Object.values(rule.let).map(({ offset }) => us(offset)));
  const keptUs = SIZES_JOINED * longestUs + latenessUs + offsetUs;
  const ends = ENDS_WAITING + Math.ceil(keptUs / Math.max(1, us(shortest)));
  return [...own, { count: ends, every: shortest }].reduce((a, b) => (b.count > a.count ? b : a));
}

/** For sliding and count windows it depends on the readings, and the engine bounds it. */
function costOf(window: WindowFields, latenessUs: number): WindowCost {
  const { tumbling, hopping, every, session, count: readings, step: after, calendar, shifts } = window;
  if (readings !== undefined && after !== undefined) return { count: readings, every: "" };
  if (calendar !== undefined || shifts !== undefined) {
    const count = Math.ceil(latenessUs / US_PER_DAY + SIZES_KEPT * MONTH_DAYS) * (shifts?.length ?? 1);
    return { count, every: calendar ?? "shift" };
  }
  const length = tumbling ?? hopping ?? session;
  if (length === undefined) return { count: 1, every: "" };
  const step = every ?? length;
  const stepUs = Math.max(1, us(step));
  const count = Math.ceil((latenessUs + SIZES_KEPT * us(length)) / stepUs);
  const overlapping = hopping === undefined ? 0 : us(length) / stepUs + 2;
  return { count: count + overlapping, every: step };
}

/** Reports a rule whose keys would keep too many windows. */
export function checkWindowCost(rule: CostFields, context: Parameters<typeof addFault>[0]): void {
  const { count, every } = windowCostOf(rule);
  if (count <= WINDOWS_PER_KEY_MAX) return;
  const facts = { count, every, lateness: rule.lateness, max: WINDOWS_PER_KEY_MAX };
  const path = us(rule.lateness) > 0 ? ["lateness"] : [rule.let === undefined ? "window" : "let"];
  addFault(context, SPEC_TEXTS, { code: "too_many_windows", facts, path });
}

function us(text: string | undefined): number {
  return text === undefined ? 0 : (parseDurationUs(text) ?? 0);
}

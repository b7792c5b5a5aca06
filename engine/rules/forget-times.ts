import { US_PER_DAY } from "../../domain/time.ts";

/** Without rules. */
const NO_RULES_FORGET_US = 30 * US_PER_DAY;

/** The shortest and the longest time for which keys are kept without readings. */
export interface ForgetTimes {
  readonly leastUs: number;
  readonly mostUs: number;
}

export const NO_RULES: ForgetTimes = { leastUs: NO_RULES_FORGET_US, mostUs: NO_RULES_FORGET_US };

interface Forgetful {
  forgetUs: number;
}

/** Sources that rules connect get the longest forget time among these rules (docs/windows.md, "Forgetting"). */
export function shareForgetTimes(
  rules: readonly { readonly forgetUs: number; readonly sources: readonly Forgetful[] }[],
): ForgetTimes {
  if (rules.length === 0) return NO_RULES;
  for (const { sources } of rules) for (const source of sources) source.forgetUs = 0;
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const { forgetUs, sources } of rules) {
      const longestUs = sources.reduce((longest, source) => Math.max(longest, source.forgetUs), forgetUs);
      for (const source of sources) {
        isChanged ||= source.forgetUs !== longestUs;
        source.forgetUs = longestUs;
      }
    }
  }
  let leastUs = Number.POSITIVE_INFINITY;
  let mostUs = 0;
  for (const { forgetUs } of rules.flatMap(({ sources }) => sources)) {
    leastUs = Math.min(leastUs, forgetUs);
    mostUs = Math.max(mostUs, forgetUs);
  }
  return { leastUs, mostUs };
}

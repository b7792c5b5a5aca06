import type { FaultTexts } from "../../platform/files/fault.ts";

export interface ConditionFacts {
  bad_condition: { readonly text: string; readonly meant: string | undefined };
  empty_range: {
    readonly text: string;
    readonly low: number;
    readonly high: number;
    readonly meant: string | undefined;
  };
}

export const CONDITION_TEXTS: FaultTexts<ConditionFacts> = {
  bad_condition: ({ text, meant }) => ({
    message: `"${text}" is not a condition`,
    help:
      meant === undefined
        ? 'write for example "> 8", "<= 0.5", "between 2 and 8", "outside 2 and 8" or "== open"'
        : `write "${meant}"`,
  }),
  empty_range: ({ text, low, high, meant }) => ({
    message: `"${text}" never holds: ${low} is greater than ${high}`,
    help: meant === undefined ? "write the smaller number first" : `write "${meant}"`,
  }),
};

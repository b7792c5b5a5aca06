import type { FaultTexts } from "../../platform/files/fault.ts";

export interface ConditionFacts {
  /** `names`: what an expression without `let` calculates with. */
  bad_condition: {
    readonly text: string;
    readonly meant: string | undefined;
    readonly names?: readonly string[] | undefined;
  };
  empty_range: {
    readonly text: string;
    readonly low: number;
    readonly high: number;
    readonly meant: string | undefined;
  };
}

export const CONDITION_TEXTS: FaultTexts<ConditionFacts> = {
  bad_condition: ({ text, meant, names = [] }) => ({
    message: `"${text}" is not a condition`,
    help:
      meant === undefined && names.length > 0
        ? `to calculate with several series, name them: let: { ${names.map((name) => `${name}: { metric: ${name} }`).join(", ")} }`
        : meant === undefined
          ? 'write for example "> 8", "<= 0.5", "between 2 and 8", "outside 2 and 8" or "== open"'
          : `write "${meant}"`,
  }),
  empty_range: ({ text, low, high, meant }) => ({
    message: `"${text}" never holds: ${low} is greater than ${high}`,
    help: meant === undefined ? "write the smaller number first" : `write "${meant}"`,
  }),
};

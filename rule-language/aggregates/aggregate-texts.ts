import type { FaultTexts } from "../../platform/files/fault.ts";

export interface AggregateFacts {
  bad_aggregate: { readonly text: string; readonly meant: string | undefined; readonly known: readonly string[] };
  /** `rate(5)`: the aggregate does not accept the text in brackets. */
  bad_argument: {
    readonly text: string;
    readonly argument: string;
    readonly wanted: string;
    readonly meant: string | undefined;
  };
}

export const AGGREGATE_TEXTS: FaultTexts<AggregateFacts> = {
  bad_aggregate: ({ text, meant, known }) => ({
    message: `"${text}" is not an aggregate`,
    help: meant === undefined ? `write one of ${known.join(", ")}` : `did you mean ${meant}?`,
  }),
  bad_argument: ({ text, argument, wanted, meant }) => ({
    message: `"${argument}" in "${text}" is not ${wanted}`,
    help: `did you mean ${meant}?`,
  }),
};

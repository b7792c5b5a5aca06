import { shownName } from "../names/names.ts";
import type { PayloadProblem } from "./format.ts";

/** Two samples of a series share a time. `isReceived`: they have none of their own. */
export function clash(metric: string, isReceived: boolean): PayloadProblem {
  const name = shownName(metric);
  const detail = isReceived
    ? `two samples of ${name} have no time of their own, so one would replace the other: set \`interval\` of the source, the time between samples`
    : `two samples of ${name} have the same time, so one would replace the other`;
  return { reason: "bad-timestamp", detail };
}

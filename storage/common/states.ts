import type { StateRun, StatesFound } from "../../contracts/history.ts";

type Answer = Omit<Extract<StatesFound, { kind: "found" }>, "kind" | "tags">;

/** About the most text in an answer. */
const CHARACTERS_MAX = 4 * 1_048_576;

/** The answer with the newest runs that fit. `newestFirst` has one more than the limit if the span has more. */
export function statesOf(
  newestFirst: readonly StateRun[],
  { limit, before }: { readonly limit: number; readonly before: StateRun | undefined },
): Answer {
  const runs: StateRun[] = [];
  let characters = 0;
  for (const run of newestFirst) {
    if (typeof run.value === "string") characters += run.value.length;
    if (runs.length === limit || (runs.length > 0 && characters > CHARACTERS_MAX)) break;
    runs.push(run);
  }
  return {
    runs: runs.reverse(),
    complete: runs.length === newestFirst.length,
    before: before === undefined ? null : { atUs: before.lastUs, value: before.value },
  };
}

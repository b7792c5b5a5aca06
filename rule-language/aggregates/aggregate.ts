import { closest } from "../../platform/files/closest.ts";
import { SUGGEST_CHARACTERS_MAX } from "../../platform/files/suggest-duration.ts";
import {
  AGGREGATES,
  type AggregateDefinition,
  type AggregateFault,
  type AggregateKind,
  plainWord,
} from "./aggregates.ts";

type OfKind<Kind extends AggregateKind> = Exclude<
  ReturnType<(typeof AGGREGATES)[Kind]["read"]>,
  AggregateFault | undefined
>;
/** An aggregate of a rule, with its arguments: `{ name: "rate(1m)", kind: "rate", perSeconds: 60 }`. */
export type Aggregate = { [Kind in AggregateKind]: OfKind<Kind> }[AggregateKind];

const DEFINITIONS = Object.values(AGGREGATES);
export const AGGREGATE_DEFINITIONS: readonly AggregateDefinition[] = DEFINITIONS;

/** The definition of an aggregate, with its optional properties. */
export function definitionOf({ kind }: Aggregate): AggregateDefinition {
  return AGGREGATES[kind];
}

/** Parses an aggregate's name: `avg`, `p95`, `count_if(> 5)`, `duration(open)`. */
export function parseAggregate(name: string): Aggregate | AggregateFault {
  for (const definition of DEFINITIONS) {
    const read = definition.read(name);
    if (read !== undefined) return read;
  }
  const known = AGGREGATE_DEFINITIONS.flatMap(({ names, forms = names }) => forms);
  return { code: "bad_aggregate", facts: { text: name, meant: suggestAggregate(name), known } };
}

/** Whether the aggregate can be computed over texts. */
export function takesTexts(aggregate: Aggregate): boolean {
  const takes = definitionOf(aggregate).takesTexts;
  if (takes === true || takes === undefined) return takes === true;
  // Booleans are numbers.
  const condition = "condition" in aggregate ? aggregate.condition : undefined;
  return condition?.kind === "text" && condition.text !== "true" && condition.text !== "false";
}

/** The aggregate that a misspelt or foreign name most likely stands for. */
export function suggestAggregate(name: string): string | undefined {
  if (name.length > SUGGEST_CHARACTERS_MAX) return undefined;
  const word = SYNONYMS[plainWord(name)];
  if (word !== undefined) return word;
  for (const { suggest } of AGGREGATE_DEFINITIONS) {
    const meant = suggest?.(name);
    if (meant !== undefined) return meant;
  }
  const near = closest(name, [...AGGREGATE_DEFINITIONS.flatMap(({ names }) => names), ...Object.keys(SYNONYMS)]);
  return near === undefined ? undefined : (SYNONYMS[near] ?? near);
}

const SYNONYMS: Readonly<Record<string, string>> = Object.assign(
  {},
  ...AGGREGATE_DEFINITIONS.map(({ synonyms }) => synonyms),
);

import type { FaultTexts } from "../../platform/files/fault.ts";

/** The faults of a condition over several series. */
export interface ExpressionFacts {
  unknown_name: { readonly name: string; readonly names: readonly string[]; readonly meant: string | undefined };
  not_yes_or_no: { readonly text: string };
  word_for_sign: { readonly text: string; readonly word: "and" | "or" | "not" };
  single_equals: { readonly text: string };
  bad_expression: { readonly text: string; readonly part: string };
  /** `aggregate`: the name is that of an aggregate, as it is written. */
  unknown_function: {
    readonly name: string;
    readonly functions: readonly string[];
    readonly meant: string | undefined;
    readonly aggregate: string | undefined;
  };
  mixed_types: { readonly part: string; readonly kinds: string };
  /** Any other fault. `reason` comes from the CEL library. */
  not_cel: { readonly part: string; readonly reason: string; readonly names: readonly string[] };
  no_matches: Record<never, never>;
  whole_division: Record<never, never>;
  no_truth: Record<never, never>;
  no_series: { readonly names: readonly string[] };
  no_subject_named: { readonly text: string; readonly first: string };
}

const SIGNS = { and: "&&", or: "||", not: "!" } as const;

export const EXPRESSION_TEXTS: FaultTexts<ExpressionFacts> = {
  unknown_name: ({ name, names, meant }) => ({
    message: `\`let\` does not define ${name}`,
    help: meant === undefined ? `defined are ${names.join(", ")}` : `did you mean ${meant}?`,
  }),
  not_yes_or_no: ({ text }) => ({
    message: `"${text}" is neither true nor false`,
    help: `compare it with something: ${text} > 8`,
  }),
  word_for_sign: ({ text, word }) => ({
    message: `"${text}" uses the word ${word}`,
    help: `write ${SIGNS[word]} for ${word}`,
  }),
  single_equals: ({ text }) => ({ message: `"${text}" has a single =`, help: "write == to compare" }),
  bad_expression: ({ text, part }) => ({
    message: `"${text}" has a syntax error ${part === "" ? "at its end" : `at "${part}"`}`,
    help: "write a comparison of names, like current > 12 && flow < 0.5, and close each (",
  }),
  unknown_function: ({ name, functions, meant, aggregate }) => ({
    message: `there is no function ${name}`,
    help:
      aggregate !== undefined
        ? `${name} is computed over a window: write let: { x: { metric: ..., aggregate: ${aggregate} } }, and x in the condition`
        : meant !== undefined
          ? `did you mean ${meant}?`
          : `the functions are ${functions.join(", ")}`,
  }),
  mixed_types: ({ part, kinds }) => ({
    message: `"${part}" mixes types: ${kinds}`,
    help: "compare numbers with numbers, and texts in quotes with the result of `last`",
  }),
  not_cel: ({ part, reason, names }) => ({
    message: `"${part}": ${reason}`,
    help: `use the names ${names.join(", ")}, numbers, && || ! and ( )`,
  }),
  no_matches: () => ({
    message: "`matches` is not available",
    help: "compare with ==, or use startsWith, endsWith or contains",
  }),
  whole_division: () => ({
    message: "/ between whole numbers drops the fraction",
    help: "write 1.0 / 2 for a half",
  }),
  no_truth: () => ({ message: "true and false are 1 and 0 here", help: "write == 1 or == 0" }),
  no_series: ({ names }) => ({
    message: "the condition uses no series",
    help: `use the names of \`let\`: ${names.join(", ")}`,
  }),
  no_subject_named: ({ text, first }) => ({
    message: `"${text}" does not name the series it compares`,
    help: `name it: ${first} ${text.trim()}`,
  }),
};

import type { FaultTexts } from "../../platform/files/fault.ts";

/** The faults of a text with `{{ places }}`. */
export interface TemplateFacts {
  place_open: Record<never, never>;
  place_empty: Record<never, never>;
  place_quote_open: Record<never, never>;
  /** `name` is the most likely intended name. */
  bad_place: { readonly text: string; readonly name: string | undefined };
  no_templates: { readonly text: string; readonly at: string };
  no_conditions: { readonly text: string; readonly at: string };
  helper_first: { readonly text: string; readonly at: string; readonly example: string };
  no_bar: { readonly text: string; readonly at: string; readonly fixed: string };
  no_helper_named: Record<never, never>;
  unknown_helper: { readonly name: string; readonly meant: string | undefined };
  helper_brackets: { readonly text: string; readonly example: string };
  needs_instant: { readonly helper: string; readonly name: string };
  needs_number: { readonly helper: string; readonly name: string };
  too_many_arguments: { readonly text: string; readonly helper: string; readonly example: string };
  no_argument: { readonly helper: string; readonly wanted: string; readonly example: string };
  bad_digits: { readonly text: string; readonly max: number; readonly example: string };
  argument_without_quotes: { readonly text: string; readonly wanted: string; readonly example: string };
  bad_template_zone: { readonly name: string; readonly meant: string | undefined };
}

const SOME_HELPERS =
  "fixed 1, round 2, percent 1, duration, si, upper, lower, default 'none', time 'Europe/Berlin', date";

export const TEMPLATE_TEXTS: FaultTexts<TemplateFacts> = {
  place_open: () => ({ message: "{{ is never closed", help: "write }} after the name: {{ device }}" }),
  place_empty: () => ({ message: "{{ }} is empty", help: "write a name, like {{ device }} or {{ value }}" }),
  place_quote_open: () => ({ message: "a quote is never closed", help: "end the text with the quote that starts it" }),
  bad_place: ({ text, name }) => ({
    message: `"${text}" is not a name`,
    help: name === undefined ? "write a name, like {{ device }}; nothing is computed here" : `write {{ ${name} }}`,
  }),
  no_templates: ({ text, at }) => ({
    message: `\`${text}\` has a syntax error at ${at}`,
    help: `write one name, then helpers after a |: {{ ${text.split(/\s/, 1)[0]} }}`,
  }),
  no_conditions: ({ text, at }) => ({
    message: `\`${text}\` has a syntax error at ${at}`,
    help: "texts have no conditions; write two rules, or use `default` for a label that may be missing",
  }),
  helper_first: ({ text, at, example }) => ({
    message: `\`${text}\` has a syntax error at ${at}`,
    help: `write the helper after the name and a |: ${example}`,
  }),
  no_bar: ({ text, at, fixed }) => ({
    message: `\`${text}\` has a syntax error at ${at}`,
    help: `write a | before a helper: ${fixed}`,
  }),
  no_helper_named: () => ({ message: "a helper is missing after |", help: `helpers are ${SOME_HELPERS}` }),
  unknown_helper: ({ name, meant }) => ({
    message: `unknown helper \`${name}\``,
    help: meant === undefined ? `helpers are ${SOME_HELPERS}` : `did you mean ${meant}?`,
  }),
  helper_brackets: ({ text, example }) => ({
    message: `\`${text}\` has brackets`,
    help: `write the argument after the helper: ${example}`,
  }),
  needs_instant: ({ helper, name }) => ({
    message: `\`${helper}\` takes an instant, and ${name} is not one`,
    help: "write {{ at | time }} or {{ active_at | time }}",
  }),
  needs_number: ({ helper, name }) => ({
    message: `\`${helper}\` takes a number, and ${name} is an instant`,
    help: `write {{ ${name} | time }} or {{ ${name} | date }}`,
  }),
  too_many_arguments: ({ text, helper, example }) => ({
    message: `unexpected "${text}" after \`${helper}\``,
    help: `write for example ${example}; put another helper after a |`,
  }),
  no_argument: ({ helper, wanted, example }) => ({
    message: `\`${helper}\` needs ${wanted}`,
    help: `write for example ${example}`,
  }),
  bad_digits: ({ text, max, example }) => ({
    message: `"${text}" is not a number of decimals from 0 to ${max}`,
    help: `write for example ${example}`,
  }),
  argument_without_quotes: ({ text, wanted, example }) => ({
    message: `the ${wanted} ${text} needs quotes`,
    help: `write for example ${example}`,
  }),
  bad_template_zone: ({ name, meant }) => ({
    message: `"${name}" is not a time zone`,
    help: meant === undefined ? 'write an IANA name, like "Europe/Berlin" or UTC' : `did you mean "${meant}"?`,
  }),
};

import { at } from "../../domain/at.ts";
import { closest } from "../../platform/files/closest.ts";
import { type BareFaultOf, isFault } from "../../platform/files/fault.ts";
import { HELPERS, type Helper, helperArgument, type TemplateValue } from "./template-helpers.ts";
import type { TemplateFacts } from "./template-texts.ts";

export type { TemplateValue } from "./template-helpers.ts";

/** A parsed text with `{{ places }}`. Rules and notifications share this language. */
export interface Template {
  readonly parts: readonly (string | TemplatePlace)[];
  readonly faults: readonly TemplateFault[];
}

/** `{{ value | fixed 1 }}`. */
export interface TemplatePlace {
  /** As written, braces included. */
  readonly source: string;
  /** Undefined if the place holds a quoted text instead of a name. */
  readonly name: string | undefined;
  readonly text: string;
  readonly steps: readonly TemplateStep[];
}

interface TemplateStep {
  readonly helper: Helper;
  readonly argument: number | string | undefined;
}

/** A fault of a place. The place stays in the text as written. */
export type TemplateFault = Faulty & {
  /** The faulty piece of the text. */
  readonly source: string;
};
type Faulty = BareFaultOf<TemplateFacts>;

/** Names whose values are instants. */
export const INSTANT_NAMES: readonly string[] = ["at", "active_at"];
/** Names that every alert has. */
export const TEMPLATE_NAMES: readonly string[] = [
  ...["value", "rule", "severity", "state", "at", "active_at", "for", "condition"],
];

const NAME = /^[A-Za-z_][\w.-]*$/;
/** The tokens between braces: a quoted text, a bar, or a word. */
const TOKEN = /\s*("[^"]*"|'[^']*'|\||[^\s|"']+|["'])/y;

/** Parses a text with `{{ places }}`. Never throws. */
export function parseTemplate(text: string): Template {
  const parts: (string | TemplatePlace)[] = [];
  const faults: TemplateFault[] = [];
  let from = 0;
  for (;;) {
    const open = text.indexOf("{{", from);
    if (open < 0) break;
    const close = closeOf(text, open + 2);
    if (close < 0) {
      const source = text.slice(open).split("\n", 1)[0] ?? "";
      faults.push({ code: "place_open", facts: {}, source });
      break;
    }
    const source = text.slice(open, close + 2);
    const place = parsePlace(source);
    parts.push(text.slice(from, open));
    if (isFault(place)) {
      faults.push({ ...place, source });
      parts.push(source);
    } else parts.push(place);
    from = close + 2;
  }
  parts.push(text.slice(from));
  return { parts: parts.filter((part) => part !== ""), faults };
}

/** Fills in a template. A place with an unknown name and no `default` stays as written. */
export function fillTemplate({ parts }: Template, lookUp: (name: string) => TemplateValue | undefined): string {
  let filled = "";
  for (const part of parts) filled += typeof part === "string" ? part : (fillPlace(part, lookUp) ?? part.source);
  return filled;
}

function fillPlace(
  { name, text, steps }: TemplatePlace,
  lookUp: (name: string) => TemplateValue | undefined,
): string | undefined {
  let value: TemplateValue | undefined = name === undefined ? text : lookUp(name);
  for (const { helper, argument } of steps) {
    if (helper.takes === "missing") value = isThere(value) ? value : String(argument);
    else if (value !== undefined) value = helper.apply(value, argument);
  }
  return value === undefined ? undefined : HELPERS.plain(value);
}

/** An aggregate without a value is NaN. */
function isThere(value: TemplateValue | undefined): boolean {
  return value !== undefined && !Number.isNaN(value);
}

/** The index of the `}}` that closes the place before `from`, or -1. Ignores a `}}` in quotes or after another `{{`. */
function closeOf(text: string, from: number): number {
  let quote = "";
  for (let i = from; i < text.length; i++) {
    const letter = at(text, i);
    if (letter === "\n") quote = "";
    if (quote !== "") {
      if (letter === quote) quote = "";
    } else if (letter === '"' || (letter === "'" && text.indexOf("'", i + 1) > 0)) quote = letter;
    else if (text.startsWith("}}", i)) return i;
    else if (text.startsWith("{{", i)) return -1;
  }
  return quote === "" ? -1 : text.indexOf("}}", from);
}

function parsePlace(source: string): TemplatePlace | Faulty {
  const inner = source.slice(2, -2).trim();
  if (inner === "") return { code: "place_empty", facts: {} };
  const tokens = tokensOf(inner);
  const [head = "", bar, ...rest] = tokens;
  if (tokens.some((token) => /^["']$/.test(token))) return { code: "place_quote_open", facts: {} };
  const text = unquoted(head);
  if (text === undefined && !NAME.test(head)) return foreign(head, inner);
  if (bar !== undefined && bar !== "|") return joined(head, inner, tokens);
  const steps: TemplateStep[] = [];
  for (const call of bar === undefined ? [] : splitAtBars(rest)) {
    const step = parseStep(call);
    if (isFault(step)) return step;
    const fault = misfit(step.helper, { head, isFirst: steps.length === 0 });
    if (fault) return fault;
    steps.push(step);
  }
  return { source, name: text === undefined ? head : undefined, text: text ?? "", steps };
}

function tokensOf(inner: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(inner); found; found = TOKEN.exec(inner)) tokens.push(found[1] ?? "");
  return tokens;
}

function splitAtBars(tokens: readonly string[]): string[][] {
  const calls: string[][] = [[]];
  for (const token of tokens) {
    if (token === "|") calls.push([]);
    else calls.at(-1)?.push(token);
  }
  return calls;
}

function unquoted(token: string): string | undefined {
  return /^(?:"[^"]*"|'[^']*')$/.test(token) ? token.slice(1, -1) : undefined;
}

/** Names of the helpers in other languages. */
const MEANT_HELPERS: Readonly<Record<string, string>> = {
  humanize: "si",
  humanize1024: "si",
  humanizeduration: "duration",
  humanizepercentage: "percent",
  humanizetimestamp: "time",
  printf: "fixed",
  tofixed: "fixed",
  format: "fixed",
  precision: "fixed",
  decimals: "fixed",
  number: "fixed",
  rounded: "round",
  int: "round",
  touppercase: "upper",
  uppercase: "upper",
  toupper: "upper",
  title: "upper",
  lowercase: "lower",
  tolower: "lower",
  or: "default",
  else: "default",
  datetime: "time",
  localtime: "time",
  timestamp: "time",
  ago: "duration",
};

function parseStep([word, ...given]: readonly string[]): TemplateStep | Faulty {
  if (word === undefined) return { code: "no_helper_named", facts: {} };
  const [, name = word, called] = /^([^()]*)\((.*)\)?$/.exec(word) ?? [];
  const helper = HELPERS.named.get(name);
  if (helper === undefined) {
    const meant = meantHelper(name) ?? closest(name, [...HELPERS.named.keys()]);
    return { code: "unknown_helper", facts: { name, meant } };
  }
  if (called !== undefined) return { code: "helper_brackets", facts: { text: word, example: helper.example } };
  const argument = helperArgument(
    helper,
    given.map((token) => ({ token, text: unquoted(token) })),
  );
  return isFault(argument) ? argument : { helper, argument: argument.value };
}

function meantHelper(name: string): string | undefined {
  return MEANT_HELPERS[name.toLowerCase().replace(/[_-]/g, "")];
}

function misfit(helper: Helper, about: { readonly head: string; readonly isFirst: boolean }): Faulty | undefined {
  if (!about.isFirst) return undefined;
  const isInstant = INSTANT_NAMES.includes(about.head);
  const facts = { helper: helper.name, name: about.head };
  if (helper.takes === "instant" && !isInstant) return { code: "needs_instant", facts };
  return helper.takes === "number" && isInstant ? { code: "needs_number", facts } : undefined;
}

/** Names as written in other languages. */
function foreign(head: string, inner: string): Faulty {
  const bare = inner.replace(/^\$?(?:\.?labels?\b|\.Labels?|\$labels)?[.\s["']*\$?/i, "").replace(/["'\]]+.*$/, "");
  const word = /^\$?\.?value\b/i.test(head) ? "value" : bare;
  return { code: "bad_place", facts: { text: head, name: NAME.test(word) ? word : undefined } };
}

const CONDITION_WORDS = new Set(["if", "range", "end", "else"]);

/** Two words without a bar between them. */
function joined(head: string, text: string, tokens: readonly string[]): Faulty {
  const [, at = ""] = tokens;
  if (CONDITION_WORDS.has(head)) return { code: "no_conditions", facts: { text, at } };
  const meant = meantHelper(head);
  const example = HELPERS.named.has(head) ? `{{ ${at} | ${head} }}` : HELPERS.named.get(meant ?? "")?.example;
  if (example !== undefined) return { code: "helper_first", facts: { text, at, example } };
  const fixed = `{{ ${head} | ${tokens.slice(1).join(" ")} }}`;
  return HELPERS.named.has(at)
    ? { code: "no_bar", facts: { text, at, fixed } }
    : { code: "no_templates", facts: { text, at } };
}

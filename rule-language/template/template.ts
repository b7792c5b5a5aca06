import { closest } from "../../platform/files/closest.ts";
import { HELPERS, type Helper, helperArgument, type TemplateValue } from "./template-helpers.ts";

export type { TemplateValue } from "./template-helpers.ts";

/** A text with places to be filled in, as it was read. */
export interface Template {
  readonly parts: readonly (string | TemplatePlace)[];
  readonly faults: readonly TemplateFault[];
}

/** `{{ value | fixed 1 }}`. */
export interface TemplatePlace {
  /** As it is written, braces and all. */
  readonly source: string;
  /** Undefined where a text in quotes stands in place of a name. */
  readonly name: string | undefined;
  readonly text: string;
  readonly steps: readonly TemplateStep[];
}

interface TemplateStep {
  readonly helper: Helper;
  readonly argument: number | string | undefined;
}

/** What cannot be read stays in the text as it stands. */
export interface TemplateFault {
  /** The piece of the text that is wrong. */
  readonly source: string;
  readonly message: string;
  readonly help: string;
}

/** Names that are instants. */
export const INSTANT_NAMES: readonly string[] = ["at", "active_at"];
/** Names that there always are. */
export const TEMPLATE_NAMES: readonly string[] = [
  ...["value", "rule", "severity", "state", "at", "active_at", "for", "condition"],
];

const NAME = /^[A-Za-z_][\w.-]*$/;
/** A text in quotes, a bar, or a word; one after the other they are what stands between braces. */
const TOKEN = /\s*("[^"]*"|'[^']*'|\||[^\s|"']+|["'])/y;

/** Reads a text with `{{ places }}`. Never throws. */
export function parseTemplate(text: string): Template {
  const parts: (string | TemplatePlace)[] = [];
  const faults: TemplateFault[] = [];
  let at = 0;
  for (;;) {
    const open = text.indexOf("{{", at);
    if (open < 0) break;
    const close = closeOf(text, open + 2);
    if (close < 0) {
      const source = text.slice(open).split("\n", 1)[0] ?? "";
      faults.push({ source, message: "{{ is not closed", help: "write }} where the name ends: {{ device }}" });
      break;
    }
    const source = text.slice(open, close + 2);
    const place = parsePlace(source);
    parts.push(text.slice(at, open));
    if ("message" in place) {
      faults.push({ ...place, source });
      parts.push(source);
    } else parts.push(place);
    at = close + 2;
  }
  parts.push(text.slice(at));
  return { parts: parts.filter((part) => part !== ""), faults };
}

/** Fills a template in. A place whose value is not known, and has no `default`, stays as it stands. */
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

/** NaN is what an aggregate without a value gives. */
function isThere(value: TemplateValue | undefined): boolean {
  return value !== undefined && !Number.isNaN(value);
}

/** The place of the `}}` that ends what begins before `from`; one in quotes ends nothing. Another `{{` means that none does. */
function closeOf(text: string, from: number): number {
  let quote = "";
  for (let i = from; i < text.length; i++) {
    const letter = text[i] as string;
    if (letter === "\n") quote = "";
    if (quote !== "") {
      if (letter === quote) quote = "";
    } else if (letter === '"' || (letter === "'" && text.indexOf("'", i + 1) > 0)) quote = letter;
    else if (text.startsWith("}}", i)) return i;
    else if (text.startsWith("{{", i)) return -1;
  }
  return quote === "" ? -1 : text.indexOf("}}", from);
}

type Faulty = Omit<TemplateFault, "source">;

function parsePlace(source: string): TemplatePlace | Faulty {
  const inner = source.slice(2, -2).trim();
  if (inner === "")
    return { message: "nothing stands in {{ }}", help: `write a name, like {{ device }} or {{ value }}` };
  const tokens = tokensOf(inner);
  const [head = "", bar, ...rest] = tokens;
  if (tokens.some((token) => /^["']$/.test(token))) {
    return { message: "a quote is not closed", help: "a text ends with the quote that it begins with" };
  }
  const text = unquoted(head);
  if (text === undefined && !NAME.test(head)) return foreign(head, inner);
  if (bar !== undefined && bar !== "|") return joined(head, inner, tokens);
  const steps: TemplateStep[] = [];
  for (const call of bar === undefined ? [] : splitAtBars(rest)) {
    const step = parseStep(call);
    if ("message" in step) return step;
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

const SOME_HELPERS =
  "fixed 1, round 2, percent 1, duration, si, upper, lower, default 'none', time 'Europe/Berlin', date";
/** What other languages call the helpers. */
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
  if (word === undefined) return { message: "nothing stands behind |", help: `helpers are ${SOME_HELPERS}` };
  const [, name = word, called] = /^([^()]*)\((.*)\)?$/.exec(word) ?? [];
  const helper = HELPERS.named.get(name);
  if (helper === undefined) {
    const known = [...HELPERS.named.keys()];
    const near = MEANT_HELPERS[name.toLowerCase().replace(/[_-]/g, "")] ?? closest(name, known);
    const help = near === undefined ? `helpers are ${SOME_HELPERS}` : `did you mean ${near}?`;
    return { message: `there is no helper \`${name}\``, help };
  }
  if (called !== undefined) {
    return { message: `\`${word}\` has brackets`, help: `write what belongs to it behind it: ${helper.example}` };
  }
  const argument = helperArgument(
    helper,
    given.map((token) => ({ token, text: unquoted(token) })),
  );
  return "message" in argument ? argument : { helper, argument: argument.value };
}

function misfit(helper: Helper, about: { readonly head: string; readonly isFirst: boolean }): Faulty | undefined {
  if (!about.isFirst) return undefined;
  const isInstant = INSTANT_NAMES.includes(about.head);
  if (helper.takes === "instant" && !isInstant) {
    return {
      message: `\`${helper.name}\` is for instants, and ${about.head} is none`,
      help: "write {{ at | time }} or {{ active_at | time }}",
    };
  }
  if (helper.takes === "number" && isInstant) {
    return {
      message: `\`${helper.name}\` is for numbers, and ${about.head} is an instant`,
      help: `write {{ ${about.head} | time }} or | date`,
    };
  }
  return undefined;
}

/** Names as other languages write them. */
function foreign(head: string, inner: string): Faulty {
  const bare = inner.replace(/^\$?(?:\.?labels?\b|\.Labels?|\$labels)?[.\s["']*\$?/i, "").replace(/["'\]]+.*$/, "");
  const word = /^\$?\.?value\b/i.test(head) ? "value" : bare;
  const message = `"${head}" is no name`;
  if (NAME.test(word)) return { message, help: `write {{ ${word} }}` };
  return { message, help: "write a name, like {{ device }}; nothing is computed here" };
}

function joined(head: string, inner: string, tokens: readonly string[]): Faulty {
  const [, next = ""] = tokens;
  const message = `\`${inner}\` cannot be read at ${next}`;
  if (head === "if" || head === "range" || head === "end" || head === "else") {
    return { message, help: "texts have no conditions; write two rules, or `default` for a label that may be missing" };
  }
  const meant = MEANT_HELPERS[head.toLowerCase()];
  if (meant !== undefined) {
    const { example = "" } = HELPERS.named.get(meant) ?? {};
    return { message, help: `a helper stands behind the name and a |: ${example}` };
  }
  if (HELPERS.named.has(head)) return { message, help: `the helper stands behind the name: {{ ${next} | ${head} }}` };
  if (HELPERS.named.has(next))
    return { message, help: `a | stands before a helper: {{ ${head} | ${tokens.slice(1).join(" ")} }}` };
  return { message, help: `a place holds one name, and helpers behind |: {{ ${head} }}` };
}

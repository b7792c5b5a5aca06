import type { FaultTexts } from "./fault.ts";

/** Everything that can be wrong with the YAML of a file, by code. */
export interface YamlFacts {
  quote_open: Record<never, never>;
  /** `>`, `*`, `!`... at the beginning of a value; `fixed` is the line's value in quotes. */
  special_start: { readonly sign: string; readonly fixed: string };
  bare_braces: Record<never, never>;
  colon_in_text: { readonly fixed: string };
  joined_lines: Record<never, never>;
  tab_indent: Record<never, never>;
  key_twice: { readonly key: string };
  second_document: Record<never, never>;
  bad_escape: Record<never, never>;
  unknown_alias: { readonly name: string };
  unknown_tag: Record<never, never>;
  bracket_open: { readonly open: string; readonly close: string };
  bad_indent: Record<never, never>;
  after_quote: Record<never, never>;
  after_bracket: Record<never, never>;
  /** Any other fault; `reason` is the YAML library's message. */
  not_yaml: { readonly reason: string };
}

const INDENT_HELP = "start all keys of one map in the same column, and indent with spaces";

export const YAML_TEXTS: FaultTexts<YamlFacts> = {
  quote_open: () => ({
    message: "this quote is never closed",
    help: "end the text with the same quote, on the same line",
  }),
  special_start: ({ sign, fixed }) => ({
    message: `\`${sign}\` at the start of a value has another meaning in YAML`,
    help: `put the value in quotes: ${fixed}`,
  }),
  bare_braces: () => ({
    message: "{{ starts a map in YAML",
    help: 'put the whole text in quotes: summary: "{{ device }} is warm"',
  }),
  colon_in_text: ({ fixed }) => ({
    message: "a text that contains a colon and a space needs quotes",
    help: `put the text in quotes: ${fixed}`,
  }),
  joined_lines: () => ({ message: "the indentation makes this line and the next one value", help: INDENT_HELP }),
  tab_indent: () => ({ message: "YAML does not allow tabs as indentation", help: "use two spaces for each level" }),
  key_twice: ({ key }) => ({ message: `duplicate key \`${key}\``, help: "keep one of them" }),
  second_document: () => ({
    message: "`---` starts a second document, and Weir reads only one",
    help: "remove the `---`, or split the file",
  }),
  bad_escape: () => ({
    message: "unknown escape: in double quotes, a backslash must precede a letter that YAML knows",
    help: "use single quotes, or write \\\\ for a backslash",
  }),
  unknown_alias: ({ name }) => ({
    message: `\`*\` starts a reference in YAML, and there is no anchor &${name}`,
    help: 'put a text that contains * in quotes: "*-cold"',
  }),
  unknown_tag: () => ({ message: "`!` starts a type name in YAML, and this one is unknown", help: "use quotes" }),
  bracket_open: ({ open, close }) => ({
    message: `this ${open} is never closed`,
    help: `write ${close} where it ends`,
  }),
  bad_indent: () => ({ message: "this line is not indented like its neighbours", help: INDENT_HELP }),
  after_quote: () => ({
    message: "unexpected text after the closing quote",
    help: "put the quotes around the whole value, and use the other kind of quote inside",
  }),
  after_bracket: () => ({
    message: "unexpected text after the closing bracket",
    help: "remove it, or put the whole value in quotes",
  }),
  not_yaml: ({ reason }) => ({ message: `not YAML: ${reason}`, help: INDENT_HELP }),
};

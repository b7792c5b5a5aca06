import type { PlacedFaultOf } from "./fault.ts";
import type { LibraryFault, Place, YamlSource } from "./yaml-source.ts";
import type { YamlFacts } from "./yaml-texts.ts";

/** A fault of the YAML, for people who do not know YAML. */
export type YamlFault = PlacedFaultOf<YamlFacts> & {
  /** The line as intended, if that is certain enough to continue the check with it. */
  readonly fixedLine?: string | undefined;
};

const PLAIN_VALUE = /^(\s*(?:- )?)([\w.-]+):\s+(.*?)(\s+#.*)?$/;
/** `*`, `>=`, `!=`... at the start of a value inside `{...}` or `[...]`. */
const INNER_VALUE = /([:,[]\s*)([*>!@%`][^,\]}]*?)(\s*)(?=[,\]}])/;
/** `- !lab`: an item of a list, on its own line. */
const LIST_ITEM = /^(\s*(?:- )+\s*)(![^\s#]*)(\s+#.*|\s*)$/;
const SPECIAL_START = /^(?:>|!|\*|@|`|%|\{\{)/;
const SPECIAL_IN_BRACKETS = new Set(["ALIAS", "BAD_ALIAS", "TAG", "BAD_SCALAR_START"]);
/** The library's code for a bracket that is not closed. */
const NEAR_BRACKET = new Set(["MISSING_CHAR", "BAD_INDENT", "UNEXPECTED_TOKEN", "BLOCK_IN_FLOW"]);

/** Finds the meaning of a fault of the library. `lines` is the whole text: some faults appear far below their cause. */
export function explainFault(
  fault: LibraryFault,
  { lines, openBrackets }: { readonly lines: readonly string[]; readonly openBrackets: YamlSource["openBrackets"] },
): YamlFault {
  const place = ofWords(fault.place);
  const quote = openedQuote(lines, place);
  if (quote) return { code: "quote_open", facts: {}, place: quote };
  const special = specialStart(fault.code, place);
  if (special) return special;
  if (/\{\{/.test(place.text) && !/["'].*\{\{.*["']/.test(place.text)) return { code: "bare_braces", facts: {}, place };
  switch (fault.code) {
    case "BLOCK_AS_IMPLICIT_KEY": {
      const [, before = "", key = "", value = "", after = ""] = PLAIN_VALUE.exec(place.text) ?? [];
      if (!/:(\s|$)/.test(value)) return { code: "joined_lines", facts: {}, place };
      const fixed = `${key}: ${quoted(value)}`;
      const fixedLine = `${before}${fixed}${after}`;
      return { code: "colon_in_text", facts: { fixed }, place: placeOf(place, value), fixedLine };
    }
    case "TAB_AS_INDENT":
      return { code: "tab_indent", facts: {}, place };
    case "DUPLICATE_KEY": {
      const key = wordAt(place);
      return { code: "key_twice", facts: { key }, place: { ...place, length: Math.max(1, key.length) } };
    }
    case "MULTIPLE_DOCS":
      return { code: "second_document", facts: {}, place };
    case "BAD_DQ_ESCAPE":
      return { code: "bad_escape", facts: {}, place };
    case "ALIAS":
    case "BAD_ALIAS": {
      const name = /^\*(\S*)/.exec(place.text.slice(place.column - 1))?.[1] ?? "";
      return { code: "unknown_alias", facts: { name }, place };
    }
    case "TAG":
      return { code: "unknown_tag", facts: {}, place };
    default:
      return structureFault({ ...fault, place }, openBrackets);
  }
}

/**
 * A value that starts with a special character of YAML; or with a block indicator (`>`), which is legal but never
 * intended before a number.
 */
export function specialStart(code: string, place: Place): YamlFault | undefined {
  const plain = PLAIN_VALUE.exec(place.text);
  const [, before = "", key = "", value = "", after = ""] = plain ?? [];
  if (plain && SPECIAL_START.test(value)) {
    const fixed = `${key}: ${quoted(value)}`;
    const fixedLine = `${before}${fixed}${after}`;
    return { code: "special_start", facts: { sign: signOf(value), fixed }, place: placeOf(place, value), fixedLine };
  }
  const [, dash = "", item = "", rest = ""] = (code === "TAG" && LIST_ITEM.exec(place.text)) || [];
  if (item !== "") {
    const facts = { sign: signOf(item), fixed: `- ${quoted(item)}` };
    const fixedLine = `${dash}${quoted(item)}${rest}`;
    return { code: "special_start", facts, place: placeOf(place, item), fixedLine };
  }
  const [, , inner = ""] = (SPECIAL_IN_BRACKETS.has(code) && INNER_VALUE.exec(place.text)) || [];
  if (inner === "") return undefined;
  const facts = { sign: signOf(inner), fixed: quoted(inner) };
  const fixedLine = place.text.replace(INNER_VALUE, `$1${quoted(inner).replaceAll("$", "$$$$")}$3`);
  return { code: "special_start", facts, place: placeOf(place, inner), fixedLine };
}

function structureFault({ code, reason, place }: LibraryFault, openBrackets: YamlSource["openBrackets"]): YamlFault {
  const bracket = openBrackets.findLast(({ line }) => line <= place.line);
  if (bracket !== undefined && NEAR_BRACKET.has(code)) {
    const open = bracket.text.slice(bracket.column - 1, bracket.column);
    return { code: "bracket_open", facts: { open, close: open === "{" ? "}" : "]" }, place: bracket };
  }
  if (code === "MISSING_CHAR" || code === "BAD_INDENT" || code === "MULTILINE_IMPLICIT_KEY")
    return { code: "bad_indent", facts: {}, place };
  const before = place.text.slice(0, place.column - 1).trimEnd();
  if (/["']$/.test(before)) return { code: "after_quote", facts: {}, place };
  if (/[}\]]$/.test(before)) return { code: "after_bracket", facts: {}, place };
  if (code === "UNEXPECTED_TOKEN" && before === "") return { code: "bad_indent", facts: {}, place };
  return { code: "not_yaml", facts: { reason }, place };
}

/** The key, or the quoted or bare word, that starts at a place. */
export function wordAt(place: Place): string {
  const [word = ""] = place.text.slice(place.column - 1).split(":");
  return word.trim();
}

/** A line up to the place where a quoted value begins that does not end. */
function openedQuote(lines: readonly string[], place: Place): Place | undefined {
  for (const [i, text] of lines.slice(0, place.line).entries()) {
    const found = /^(\s*(?:- )?(?:[\w.-]+:\s+)?)(?:"(?:[^"\\]|\\.)*|'(?:[^']|'')*)$/.exec(text.replace(/\r$/, ""));
    if (found) return placeOfRest(text, i + 1, found[1]?.length ?? 0);
  }
  return undefined;
}

function placeOfRest(line: string, number: number, from: number): Place {
  const text = line.replace(/\r$/, "");
  return { line: number, column: from + 1, length: Math.max(1, text.trimEnd().length - from), text };
}

/** The library places indentation faults at the blanks; people look at the words. */
function ofWords(place: Place): Place {
  const rest = place.text.slice(place.column - 1);
  const blanks = rest.length - rest.trimStart().length;
  if (blanks === 0 || place.length > blanks || rest.trim() === "") return place;
  return { ...place, column: place.column + blanks, length: Math.max(1, rest.trimEnd().length - blanks) };
}

function placeOf(place: Place, text: string): Place {
  const from = place.text.indexOf(text);
  return from < 0 ? place : { ...place, column: from + 1, length: Math.max(1, text.length) };
}

function quoted(text: string): string {
  const bare = text.trim();
  return bare.includes('"') ? `'${bare.replaceAll("'", "''")}'` : `"${bare.replaceAll("\\", "\\\\")}"`;
}

function signOf(value: string): string {
  return /^(?:\{\{|>=|!=)/.exec(value)?.[0] ?? value.slice(0, 1);
}

import type { LibraryFault, Place } from "../../platform/files/yaml-source.ts";

/** A fault of the YAML in words for people who never learned it. */
export interface ExplainedFault {
  readonly place: Place;
  readonly message: string;
  readonly help: string;
  /** The line as it was meant, when that is certain enough to go on checking with it. */
  readonly mendedLine: string | undefined;
}

const PLAIN_VALUE = /^(\s*(?:- )?)([\w.-]+):\s+(.*?)(\s+#.*)?$/;
/** `*`, `>=`, `!=`... where a value begins inside of `{...}` or `[...]`. */
const INNER_VALUE = /([:,[]\s*)([*>!@%`][^,\]}]*?)(\s*)(?=[,\]}])/;

/** `- !lab`: an item of a list, on a line of its own. */
const LIST_ITEM = /^(\s*(?:- )+\s*)(![^\s#]*)(\s+#.*|\s*)$/;

/** `lines`: the whole text, as some faults show far behind where they were made. */
export function explainFault(
  { code, reason: message, place: told }: LibraryFault,
  lines: readonly string[],
): ExplainedFault {
  const place = ofWords(told);
  const opened = openedQuote(lines, place);
  if (opened) {
    return at(
      opened,
      "a quote that was opened is not closed",
      "a text that begins with a quote ends with the same one, on the same line",
    );
  }
  const plain = PLAIN_VALUE.exec(place.text);
  const value = plain?.[3] ?? "";
  const key = plain?.[2] ?? "";
  const quoted = plain ? `${plain[1]}${key}: ${quote(value)}${plain[4] ?? ""}` : undefined;
  const atValue = plain ? placeOf(place, value) : place;
  if (plain && /^(?:>|!|\*|@|`|%|\{\{)/.test(value)) {
    const said = `${nameOf(value)} at the beginning of a value means something else in YAML`;
    return {
      place: atValue,
      message: said,
      help: `put the value in quotes: ${key}: ${quote(value)}`,
      mendedLine: quoted,
    };
  }
  const item = code === "TAG" ? LIST_ITEM.exec(place.text) : null;
  if (item) {
    const [, before = "", text = "", after = ""] = item;
    return {
      place: placeOf(place, text),
      message: `${nameOf(text)} at the beginning of a value means something else in YAML`,
      help: `put the value in quotes: - ${quote(text)}`,
      mendedLine: `${before}${quote(text)}${after}`,
    };
  }
  const inner = INNER_VALUE.exec(place.text);
  if (inner && (code === "ALIAS" || code === "BAD_ALIAS" || code === "TAG" || code === "BAD_SCALAR_START")) {
    const text = inner[2] ?? "";
    return {
      place: placeOf(place, text),
      message: `${nameOf(text)} at the beginning of a value means something else in YAML`,
      help: `put the value in quotes: ${quote(text)}`,
      mendedLine: place.text.replace(INNER_VALUE, `$1${quote(text).replaceAll("$", "$$$$")}$3`),
    };
  }
  if (/\{\{/.test(place.text) && !/["'].*\{\{.*["']/.test(place.text)) {
    return at(place, "{{ begins a map in YAML", 'put the whole text in quotes: summary: "{{ device }} is warm"');
  }
  switch (code) {
    case "BLOCK_AS_IMPLICIT_KEY":
      if (plain && /:(\s|$)/.test(value)) {
        const help = `put the text in quotes: ${key}: ${quote(value)}`;
        return {
          place: atValue,
          message: "a text with a colon and a space in it needs quotes",
          help,
          mendedLine: quoted,
        };
      }
      return at(place, "this line and the next are indented as if they belonged together", INDENT_HELP);
    case "TAB_AS_INDENT":
      return at(place, "YAML lines cannot be indented with tabs", "use spaces, two for each level");
    case "DUPLICATE_KEY": {
      const twice =
        place.text
          .slice(place.column - 1)
          .split(":")[0]
          ?.trim() ?? "";
      return at({ ...place, length: twice.length }, `\`${twice}\` stands twice in one place`, "keep one of them");
    }
    case "MULTIPLE_DOCS":
      return at(
        place,
        "`---` begins a second document; only one is read",
        "put all rules under one `rules:`, or in files of their own",
      );
    case "BAD_DQ_ESCAPE":
      return at(
        place,
        "a backslash in double quotes must stand before a letter that YAML knows",
        "use single quotes, or write \\\\ for a backslash",
      );
    case "ALIAS":
    case "BAD_ALIAS":
      return at(
        place,
        `\`*\` begins a reference in YAML, and ${message}`,
        'for any text with * in it use quotes: "*-cold"',
      );
    case "TAG":
      return at(place, "`!` begins a type name in YAML, and this one is not known", "put the value in quotes");
    default:
      return explainStructure(code, message, place, lines);
  }
}

const INDENT_HELP = "keys of one rule stand exactly below one another, with spaces in front, like the first one";

function explainStructure(code: string, message: string, place: Place, lines: readonly string[]): ExplainedFault {
  if (/flow (?:map|sequence)|flow-(?:map|seq)/i.test(message)) {
    const [open, close] = /map/i.test(message) ? (["{", "}"] as const) : (["[", "]"] as const);
    const opened = openedBracket(lines, place, open, close) ?? place;
    return at(opened, `a ${open} is not closed`, `write ${close} where it ends`);
  }
  if (code === "MISSING_CHAR" || code === "BAD_INDENT" || /indicator|indent|implicit map/i.test(message)) {
    return at(place, "this line is not indented like those it belongs to", INDENT_HELP);
  }
  const before = place.text.slice(0, place.column - 1).trimEnd();
  if (/["']$/.test(before)) {
    return at(
      place,
      "there is more behind the closing quote",
      "put the quotes around the whole value, and other quotes inside of it",
    );
  }
  if (/[}\]]$/.test(before))
    return at(place, "there is more behind the closing bracket", "remove it, or put the whole value in quotes");
  return at(place, `not YAML: ${message}`, INDENT_HELP);
}

/** A line on which a quoted value begins and does not end, before the place or there. */
function openedQuote(lines: readonly string[], place: Place): Place | undefined {
  for (const [i, text] of lines.slice(0, place.line).entries()) {
    const found = /^(\s*(?:- )?(?:[\w.-]+:\s+)?)(?:"(?:[^"\\]|\\.)*|'(?:[^']|'')*)$/.exec(text.replace(/\r$/, ""));
    if (found) return placeOfRest(text, i + 1, found[1]?.length ?? 0);
  }
  return undefined;
}

/** The nearest line, up from the place, that opens more than it closes. */
function openedBracket(lines: readonly string[], place: Place, open: string, close: string): Place | undefined {
  for (let line = place.line; line > 0; line--) {
    const text = lines[line - 1] ?? "";
    if (text.split(open).length > text.split(close).length) return placeOfRest(text, line, text.lastIndexOf(open));
  }
  return undefined;
}

function placeOfRest(line: string, number: number, from: number): Place {
  const text = line.replace(/\r$/, "");
  return { line: number, column: from + 1, length: Math.max(1, text.trimEnd().length - from), text };
}

/** Faults of the indentation stand at the blanks; people look at the words. */
function ofWords(place: Place): Place {
  const rest = place.text.slice(place.column - 1);
  const blanks = rest.length - rest.trimStart().length;
  if (blanks === 0 || place.length > blanks || rest.trim() === "") return place;
  return { ...place, column: place.column + blanks, length: Math.max(1, rest.trimEnd().length - blanks) };
}

function at(place: Place, message: string, help: string): ExplainedFault {
  return { place, message, help, mendedLine: undefined };
}

function placeOf(place: Place, text: string): Place {
  const from = place.text.indexOf(text);
  return from < 0 ? place : { ...place, column: from + 1, length: Math.max(1, text.length) };
}

function quote(text: string): string {
  const bare = text.trim();
  return bare.includes('"') ? `'${bare.replaceAll("'", "''")}'` : `"${bare.replaceAll("\\", "\\\\")}"`;
}

function nameOf(value: string): string {
  return `\`${/^(?:\{\{|>=|!=)/.exec(value)?.[0] ?? value.slice(0, 1)}\``;
}

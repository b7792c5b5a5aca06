import { CST, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, type Node, parseDocument, visit } from "yaml";
import { reasonOf } from "../../domain/reason.ts";

/** A piece of a line in a file, from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
  /** The number of characters in question; they end at the end of the line at the latest. */
  readonly length: number;
  /** The whole line. */
  readonly text: string;
}

/** A problem that the YAML library reports, or something legal that is never intended. */
export interface LibraryFault {
  /** The library's code; `ALIAS` for a `*name` and `TAG` for a `!name` without a target. */
  readonly code: string;
  /** The library's own message, for people only. */
  readonly reason: string;
  readonly place: Place;
}

export type YamlPath = readonly PropertyKey[];

/** A parsed YAML text that knows the place of each of its parts. */
export interface YamlSource {
  readonly faults: readonly LibraryFault[];
  /** Undefined when the text is too broken to have a value. */
  readonly value: unknown;
  readonly comments: readonly Place[];
  /** Brackets that are never closed. */
  readonly openBrackets: readonly Place[];
  /** The node at a path, or its nearest ancestor; or the key that leads to it. */
  placeOf(path: YamlPath, part?: "key" | "value"): Place;
  /** The first place of a key that is repeated at `second`. */
  firstOf(key: string, second: Place): Place | undefined;
}

/** Parses a text. Never throws: everything wrong with it is among the faults. */
export function openYaml(source: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, logLevel: "error" });
  const texts = source.split("\n");

  function placeAt(start: number, end: number): Place {
    const { line, col } = lines.linePos(start);
    const text = (texts[line - 1] ?? "").replace(/\r$/, "");
    const column = Math.max(1, col);
    const length = Math.max(1, Math.min(end - start, text.length - column + 1));
    return { line: Math.max(1, line), column, length, text };
  }

  const faults: LibraryFault[] = document.errors.map(({ code, message, pos }) => ({
    code,
    reason: message,
    place: placeAt(pos[0], pos[1]),
  }));
  for (const { message, pos } of document.warnings)
    faults.push({ code: "TAG", reason: message, place: placeAt(pos[0], pos[1]) });
  visit(document, {
    Alias(_, node) {
      if (node.resolve(document) !== undefined || node.source === "") return;
      const [start, end] = node.range ?? [0, 1];
      faults.push({ code: "ALIAS", reason: `no anchor &${node.source}`, place: placeAt(start, end) });
    },
  });
  let value: unknown;
  try {
    value = document.toJS() ?? {};
  } catch (error) {
    const reason = reasonOf(error);
    if (faults.length === 0) faults.push({ code: "ALIAS", reason, place: placeAt(0, 1) });
  }
  return {
    faults: faults.sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column),
    value,
    ...lexed(source, placeAt),
    placeOf(path, part = "value") {
      const [start, end] = rangeOf(document.contents, path, part);
      return placeAt(start, end);
    },
    firstOf(key, second) {
      let found: Place | undefined;
      visit(document, {
        Map(_, map) {
          const keys = map.items.map((pair) => pair.key).filter((node) => isScalar(node) && String(node.value) === key);
          const places = keys.map((node) => placeAt(...spanOf(isScalar(node) ? node.range : undefined)));
          if (places.some(({ line, column }) => line === second.line && column === second.column)) found = places[0];
        },
      });
      return found;
    },
  };
}

function rangeOf(root: Node | null, path: YamlPath, part: "key" | "value"): readonly [number, number] {
  let node: Node | null = root;
  let range = root?.range;
  for (const [i, step] of path.entries()) {
    const isLast = i === path.length - 1;
    let key: unknown;
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      key = pair?.key;
      next = pair?.value ?? undefined;
    } else if (isSeq(node)) next = node.items[Number(step)];
    const isEmpty = isScalar(next) && next.range !== undefined && next.range?.[0] === next.range?.[1];
    if (isNode(key) && (isEmpty || !isNode(next) || (isLast && part === "key"))) return spanOf(key.range);
    if (!isNode(next)) break;
    range = next.range;
    node = next;
  }
  return spanOf(range);
}

function spanOf(range: Node["range"] | undefined): readonly [number, number] {
  return [range?.[0] ?? 0, range?.[1] ?? 1];
}

function isNode(value: unknown): value is Node {
  return isMap(value) || isSeq(value) || isScalar(value) || isAlias(value);
}

/** The lexer distinguishes a `#` in a text from a comment, and an open bracket from one in a text. */
function lexed(source: string, placeAt: (start: number, end: number) => Place) {
  const comments: Place[] = [];
  const openBrackets: Place[] = [];
  const open: Place[] = [];
  let offset = 0;
  let isText = false;
  for (const token of new Lexer().lex(source)) {
    // These three tokens have no characters.
    if (token === CST.DOCUMENT || token === CST.FLOW_END || token === CST.SCALAR) {
      isText = token === CST.SCALAR;
      if (token === CST.FLOW_END) openBrackets.push(...open.splice(0));
      continue;
    }
    if (token.startsWith("#") && !isText) comments.push(placeAt(offset, offset + token.length));
    if (!isText && (token === "{" || token === "[")) open.push(placeAt(offset, source.length));
    if (!isText && (token === "}" || token === "]")) open.pop();
    isText = false;
    offset += token.length;
  }
  return { comments, openBrackets: [...openBrackets, ...open] };
}

import { isNumberText } from "../../domain/number-text.ts";
import type { Format, Parse, Parsed, Tree } from "./format.ts";
import { decodeText, parseExactJson, parseJson } from "./payload-text.ts";

export const VALUE_FORMAT = {
  kind: "tree",
  doc: 'one bare value, or `{"value": 21.5, "ts": ...}`; the topic names the metric',
  example: { payload: '{ "value": 21.5, "ts": 1763769600 }', readings: [["metric", 21.5]] },
  needsMetric: true,
  valueField: "value",
  parser: () => valueParser("{", parseJson),
  exactParser: () => valueParser("{", parseExactJson),
} as const satisfies Format;

export const AUTO_FORMAT = {
  kind: "tree",
  doc: "JSON, or one bare value; `{metric}` of the topic names a bare value, and goes before the names of fields",
  example: {
    payload: '{ "temperature": 21.5, "on": true }',
    readings: [
      ["metric.temperature", 21.5],
      ["metric.on", true],
    ],
  },
  needsMetric: false,
  mayBeBare: true,
  parser: () => valueParser("{[", parseJson),
  exactParser: () => valueParser("{[", parseExactJson),
} as const satisfies Format;

/** Reads a bare value (`21.5`, `true`, `open`), or JSON that begins with one of these characters. */
function valueParser(json: string, parse: Parse): Parse {
  const begins = [...json].map((character) => character.charCodeAt(0));
  return (payload): Parsed => {
    const text = decodeText(payload).trim();
    if (text === "" || text === "null") return {};
    return begins.includes(text.charCodeAt(0)) ? parse(payload) : { value: bareValue(text) };
  };
}

function bareValue(text: string): Tree {
  if (isNumberText(text)) {
    const number = Number(text);
    if (Math.abs(number) <= Number.MAX_SAFE_INTEGER) return number;
    if (/^[+-]?\d+$/.test(text)) return BigInt(text.replace("+", ""));
    if (Number.isFinite(number)) return number;
  }
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
  if (text.startsWith('"')) {
    try {
      return String(JSON.parse(text));
    } catch {
      return text;
    }
  }
  return text;
}

import { isNumberText } from "../../domain/number-text.ts";
import type { ReadingValue } from "../../domain/reading.ts";
import type { Format, Parsed } from "./format.ts";
import { decodeText, parseJson } from "./payload-text.ts";

export const VALUE_FORMAT = {
  kind: "tree",
  doc: 'one bare value, or `{"value": 21.5, "ts": ...}`; the topic names the metric',
  example: { payload: '{ "value": 21.5, "ts": 1763769600 }', readings: [["metric", 21.5]] },
  needsMetric: true,
  valueField: "value",
  parser: () => parseValue,
} as const satisfies Format;

/** A bare value (`21.5`, `true`, `open`), or an object in JSON. */
function parseValue(payload: Uint8Array): Parsed {
  const text = decodeText(payload);
  if (text === undefined) return { problem: { reason: "bad-payload", detail: "the value is not UTF-8 text" } };
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "null") return {};
  return trimmed.startsWith("{") ? parseJson(payload) : { value: bareValue(trimmed) };
}

function bareValue(text: string): ReadingValue {
  if (isNumberText(text)) {
    const number = Number(text);
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

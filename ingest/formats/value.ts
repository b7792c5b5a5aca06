import { isNumberText } from "../../domain/number-text.ts";
import type { ReadingValue } from "../../domain/reading.ts";
import { hasControlCharacter, kindName } from "../names/names.ts";
import { badName, isObject, takeReading, textTooLong, timeOf, type Walk } from "./fields.ts";
import type { Format, OnReading, PayloadProblem, PayloadRules } from "./format.ts";
import { decodeText, parseJson } from "./payload-text.ts";

export const VALUE_FORMAT = {
  doc: 'one bare value, or `{"value": 21.5, "ts": ...}`; the topic names the metric',
  example: { payload: '{ "value": 21.5, "ts": 1763769600 }', readings: [["metric", 21.5]] },
  needsMetric: true,
  decoder: (rules) => (payload, metric, onReading) => decodeValue(payload, metric, rules, onReading),
} as const satisfies Format;

/** The reading of a bare value (`21.5`, `true`, `open`), or of `{"value": 21.5, "ts": ...}`. */
function decodeValue(
  payload: Uint8Array,
  metric: string,
  rules: PayloadRules,
  onReading: OnReading,
): PayloadProblem | undefined {
  const text = decodeText(payload);
  if (text === undefined) return { reason: "bad-payload", detail: "the value is not UTF-8 text" };
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "null") return undefined;
  if (trimmed.startsWith("{")) return decodeValueObject(payload, metric, { rules, onReading, count: 0 });
  const value = bareValue(trimmed);
  if (typeof value === "string") {
    if (payload.length > rules.textBytesMax) return textTooLong(metric, rules);
    if (hasControlCharacter(value)) return { reason: "bad-payload", detail: "the value has control characters" };
  }
  if (rules.wants(metric) && !onReading(metric, value, undefined)) return badName(metric, "", rules);
  return undefined;
}

function decodeValueObject(payload: Uint8Array, metric: string, walk: Walk): PayloadProblem | undefined {
  const parsed = parseJson(payload);
  if (parsed.problem) return parsed.problem;
  if (!isObject(parsed.value) || !("value" in parsed.value)) {
    return { reason: "bad-payload", detail: 'expected a bare value or {"value": 21.5}: there is no "value"' };
  }
  const time = timeOf(parsed.value, walk.rules);
  if (time.problem) return time.problem;
  const { value } = parsed.value;
  if (value === null) return undefined;
  if (typeof value === "object") return { reason: "bad-payload", detail: `"value" is ${kindName(value)}` };
  return takeReading(metric, value, { walk, where: "", atUs: time.atUs });
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

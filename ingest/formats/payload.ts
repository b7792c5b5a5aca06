import { isUtf8 } from "node:buffer";
import { isNumberText } from "../../domain/number-text.ts";
import type { ReadingValue } from "../../domain/reading.ts";
import { reasonOf } from "../../domain/reason.ts";
import { hasControlCharacter, kindName, nameFault, shownName, shownValue } from "../common/names.ts";
import { parseTimestampUs, type TimestampUnit } from "./timestamp.ts";

/** Where decoded readings go. False when the metric's name can be none: then the reading was not taken. */
export type OnReading = (metric: string, value: ReadingValue, atUs: number | undefined) => boolean;

/** Why a payload, or a part of it, gave no readings. */
export interface PayloadProblem {
  readonly reason: "bad-payload" | "bad-timestamp" | "bad-name" | "too-large" | "reading-failed";
  readonly detail: string;
  /** The first bad byte, where it is known. */
  readonly position?: number;
}

export interface PayloadRules {
  readonly timestampField: string | undefined;
  readonly timestampUnit: TimestampUnit;
  readonly wants: (metric: string) => boolean;
  readonly readingsMax: number;
  readonly nestingMax: number;
  readonly textBytesMax: number;
  /** Of a metric: what is longer is not given to `onReading`. */
  readonly nameBytesMax: number;
}

/**
 * The readings of a JSON payload: an object, or an array of them. Numbers, booleans and strings are readings; nested
 * names are joined with a dot; null is no reading. Elements that are wrong are told; the others are readings all the
 * same. `atUs` is undefined where the payload gives no time.
 */
export function decodeJson(payload: Uint8Array, rules: PayloadRules, onReading: OnReading): PayloadProblem | undefined {
  const parsed = parseJson(payload);
  if (parsed.problem) return parsed.problem;
  const walk: Walk = { rules, onReading, count: 0 };
  if (!Array.isArray(parsed.value)) return decodeObject(parsed.value, walk, "");
  let problem: PayloadProblem | undefined;
  for (const [i, element] of parsed.value.entries()) {
    if (i === rules.readingsMax) {
      return problem ?? { reason: "too-large", detail: `more than ${rules.readingsMax} elements in one message` };
    }
    // Each element is decoded, also after a wrong one; the first problem is told.
    const found = decodeObject(element, walk, `element ${i}: `);
    problem ??= found;
  }
  return problem;
}

/** The reading of a bare value (`21.5`, `true`, `open`), or of `{"value": 21.5, "ts": ...}`. */
export function decodeValue(
  payload: Uint8Array,
  metric: string,
  rules: PayloadRules,
  onReading: OnReading,
): PayloadProblem | undefined {
  const text = decodeText(payload);
  if (text === undefined) return { reason: "bad-payload", detail: "the value is not UTF-8 text" };
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "null") return undefined;
  if (trimmed.startsWith("{")) return decodeValueObject(payload, metric, rules, onReading);
  const value = bareValue(trimmed);
  if (typeof value === "string") {
    if (payload.length > rules.textBytesMax) return textTooLong(metric, rules);
    if (hasControlCharacter(value)) return { reason: "bad-payload", detail: "the value has control characters" };
  }
  if (rules.wants(metric) && !onReading(metric, value, undefined)) return badName(metric, "", rules);
  return undefined;
}

interface Walk {
  readonly rules: PayloadRules;
  readonly onReading: OnReading;
  count: number;
}

function decodeObject(value: unknown, walk: Walk, where: string): PayloadProblem | undefined {
  if (!isObject(value)) {
    return {
      reason: "bad-payload",
      detail: `${where}expected an object like {"temperature": 21.5}, got ${kindName(value)}`,
    };
  }
  const time = timeOf(value, walk.rules);
  if (time.problem) return { ...time.problem, detail: where + time.problem.detail };
  return walkFields(value, { walk, where, atUs: time.atUs, timeField: time.field, prefix: "", depth: 1 });
}

type Fields = Readonly<Record<string, unknown>>;

interface Level {
  readonly walk: Walk;
  readonly where: string;
  readonly atUs: number | undefined;
  readonly timeField: string | undefined;
  readonly prefix: string;
  readonly depth: number;
}

function walkFields(fields: Fields, level: Level): PayloadProblem | undefined {
  const { prefix } = level;
  let problem: PayloadProblem | undefined;
  // What JSON.parse makes has no inherited names.
  for (const name in fields) {
    const value = fields[name];
    const metric = prefix === "" ? name : `${prefix}.${name}`;
    if (metric === level.timeField || value === null) continue;
    const found = walkField(metric, value, level);
    problem ??= found;
  }
  return problem;
}

function walkField(metric: string, value: unknown, level: Level): PayloadProblem | undefined {
  const { walk, depth } = level;
  if (typeof value !== "object" || value === null) return takeReading(metric, value, level);
  // The names inside would all begin with it, and a long beginning of many names costs more than the payload's length.
  if (metric.length > walk.rules.nameBytesMax) return badName(metric, level.where, walk.rules);
  if (depth < walk.rules.nestingMax) return walkFields(value as Fields, { ...level, prefix: metric, depth: depth + 1 });
  const detail = `${level.where}${shownName(metric)} is nested deeper than ${walk.rules.nestingMax}`;
  return { reason: "too-large", detail };
}

function takeReading(metric: string, value: unknown, level: Level): PayloadProblem | undefined {
  const { walk, where } = level;
  const { rules } = walk;
  if (typeof value !== "number" && typeof value !== "boolean" && typeof value !== "string") return undefined;
  if (metric === "" || !rules.wants(metric)) return undefined;
  if (metric.length > rules.nameBytesMax) return badName(metric, where, rules);
  if (typeof value === "number" && !Number.isFinite(value)) {
    return { reason: "bad-payload", detail: `${where}${shownName(metric)} is a number too large to hold` };
  }
  if (typeof value === "string" && Buffer.byteLength(value) > rules.textBytesMax) return textTooLong(metric, rules);
  if (walk.count >= rules.readingsMax) {
    return { reason: "too-large", detail: `more than ${rules.readingsMax} readings in one message` };
  }
  if (!walk.onReading(metric, value, level.atUs)) return badName(metric, where, rules);
  walk.count++;
  return undefined;
}

const TIME_FIELDS = ["ts", "timestamp", "time"] as const;

interface Time {
  readonly atUs?: number | undefined;
  readonly field?: string | undefined;
  readonly problem?: PayloadProblem;
}

function timeOf(fields: Readonly<Record<string, unknown>>, rules: PayloadRules): Time {
  const field = rules.timestampField ?? TIME_FIELDS.find((name) => name in fields);
  if (field === undefined) return {};
  const value = fields[field] ?? nested(fields, field);
  if (value === undefined || value === null) return { field };
  const atUs = parseTimestampUs(value, rules.timestampUnit);
  if (atUs !== undefined) return { field, atUs };
  const expected = rules.timestampUnit === "auto" ? "a count of s, ms, us or ns, or ISO 8601" : rules.timestampUnit;
  const detail = `"${field}": ${shownValue(value)} is no time (expected ${expected})`;
  return { problem: { reason: "bad-timestamp", detail } };
}

function nested(fields: unknown, path: string): unknown {
  let value = fields;
  for (const name of path.split(".")) {
    if (!isObject(value)) return undefined;
    value = value[name];
  }
  return value;
}

function decodeValueObject(
  payload: Uint8Array,
  metric: string,
  rules: PayloadRules,
  onReading: OnReading,
): PayloadProblem | undefined {
  const parsed = parseJson(payload);
  if (parsed.problem) return parsed.problem;
  if (!isObject(parsed.value) || !("value" in parsed.value)) {
    return { reason: "bad-payload", detail: 'expected a bare value or {"value": 21.5}: there is no "value"' };
  }
  const time = timeOf(parsed.value, rules);
  if (time.problem) return time.problem;
  const { value } = parsed.value;
  if (value === null) return undefined;
  if (typeof value === "object") return { reason: "bad-payload", detail: `"value" is ${kindName(value)}` };
  const walk: Walk = { rules, onReading, count: 0 };
  return takeReading(metric, value, { walk, where: "", atUs: time.atUs, timeField: undefined, prefix: "", depth: 1 });
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

function parseJson(payload: Uint8Array): { readonly value?: unknown; readonly problem?: PayloadProblem } {
  const text = decodeText(payload);
  if (text === undefined) return { problem: { reason: "bad-payload", detail: "the payload is not UTF-8 text" } };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    const detail = `not JSON: ${reasonOf(error)}`;
    const at = /position (\d+)/.exec(detail)?.[1];
    const position = at === undefined ? text.length : Number(at);
    return { problem: { reason: "bad-payload", detail, position: Buffer.byteLength(text.slice(0, position)) } };
  }
}

function decodeText(payload: Uint8Array): string | undefined {
  if (!isUtf8(payload)) return undefined;
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("utf8");
}

function textTooLong(metric: string, rules: PayloadRules): PayloadProblem {
  return { reason: "too-large", detail: `${shownName(metric)} is a text of more than ${rules.textBytesMax} bytes` };
}

function badName(metric: string, where: string, rules: PayloadRules): PayloadProblem {
  const fault = nameFault(metric, rules.nameBytesMax) ?? "cannot name a metric";
  return { reason: "bad-name", detail: `${where}the name of metric ${shownName(metric)} ${fault}` };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

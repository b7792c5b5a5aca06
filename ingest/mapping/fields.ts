import type { PayloadProblem } from "../formats/format.ts";
import { kindName, nameFault, shownName, shownValue } from "../names/names.ts";
import type { OnReading, PayloadRules } from "./rules.ts";
import { parseTimestampUs } from "./timestamp.ts";

/** Reads readings from parsed JSON, for formats that contain JSON objects. */

export type Fields = Readonly<Record<string, unknown>>;

/** Walks one message. */
export interface Walk {
  readonly rules: PayloadRules;
  readonly onReading: OnReading;
  count: number;
}

/**
 * The readings of one object. Nested names are joined with a dot; null is not a reading. `where` starts each message.
 */
export function decodeObject(value: unknown, walk: Walk, where: string): PayloadProblem | undefined {
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

/** Where in a message a value is, and which time applies there. */
export interface Place {
  readonly walk: Walk;
  readonly where: string;
  readonly atUs: number | undefined;
}

interface Level extends Place {
  readonly timeField: string | undefined;
  readonly prefix: string;
  readonly depth: number;
}

function walkFields(fields: Fields, level: Level): PayloadProblem | undefined {
  const { prefix } = level;
  let problem: PayloadProblem | undefined;
  // Objects from JSON.parse inherit no names.
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
  // All names inside start with this one: many names with a long prefix would cost more than the payload's length.
  if (metric.length > walk.rules.nameBytesMax) return badName(metric, level.where, walk.rules);
  if (depth < walk.rules.nestingMax) return walkFields(value as Fields, { ...level, prefix: metric, depth: depth + 1 });
  const detail = `${level.where}${shownName(metric)} is nested deeper than ${walk.rules.nestingMax}`;
  return { reason: "too-large", detail };
}

/** One value, as a reading if possible. */
export function takeReading(metric: string, value: unknown, { walk, where, atUs }: Place): PayloadProblem | undefined {
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
  if (!walk.onReading(metric, value, atUs)) return badName(metric, where, rules);
  walk.count++;
  return undefined;
}

const TIME_FIELDS = ["ts", "timestamp", "time"] as const;

interface Time {
  readonly atUs?: number | undefined;
  readonly field?: string | undefined;
  readonly problem?: PayloadProblem;
}

/** The time of an object's readings, and the field that holds it. Empty if the object has none. */
export function timeOf(fields: Fields, rules: PayloadRules): Time {
  const field = rules.timestampField ?? TIME_FIELDS.find((name) => name in fields);
  if (field === undefined) return {};
  const value = fields[field] ?? nested(fields, field);
  if (value === undefined || value === null) return { field };
  const atUs = parseTimestampUs(value, rules.timestampUnit);
  if (atUs !== undefined) return { field, atUs };
  const expected = rules.timestampUnit === "auto" ? "a count of s, ms, us or ns, or ISO 8601" : rules.timestampUnit;
  const detail = `"${field}": ${shownValue(value)} is not a time (expected ${expected})`;
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

/** `where` starts the message. */
export function badName(metric: string, where: string, rules: PayloadRules): PayloadProblem {
  const fault = nameFault(metric, rules.nameBytesMax) ?? "cannot name a metric";
  return { reason: "bad-name", detail: `${where}the name of metric ${shownName(metric)} ${fault}` };
}

export function textTooLong(metric: string, rules: PayloadRules): PayloadProblem {
  return { reason: "too-large", detail: `${shownName(metric)} is a text of more than ${rules.textBytesMax} bytes` };
}

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

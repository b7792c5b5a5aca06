import type { PayloadProblem } from "../formats/format.ts";
import { kindName, nameFault, shownName } from "../names/names.ts";
import type { PayloadRules, Readings } from "./rules.ts";
import { UnreadableTime } from "./times.ts";
import { readScalar } from "./values.ts";

/** Reads readings from plain data, for formats that contain objects. */

export type Fields = Readonly<Record<string, unknown>>;

/** Walks one message. */
export interface Walk {
  readonly rules: PayloadRules;
  readonly readings: Readings;
  count: number;
  /** A whole number was met that may not be exact. */
  isInexact: boolean;
}

/** Where in a message a value is, and which time applies there. `where` starts each message. */
export interface Place {
  readonly walk: Walk;
  readonly where: string;
  readonly atUs: number | undefined;
  /** Gives a field's metric; undefined: its own name. */
  readonly nameOf: ((field: string) => string) | undefined;
}

interface Level extends Place {
  readonly timeField: string | undefined;
  readonly prefix: string;
  readonly depth: number;
}

/** The readings of one object, at its own time. Nested names are joined with a dot; null is not a reading. */
export function decodeObject(value: unknown, walk: Walk, where: string): PayloadProblem | undefined {
  if (!isObject(value)) {
    return {
      reason: "bad-payload",
      detail: `${where}expected an object like {"temperature": 21.5}, got ${kindName(value)}`,
    };
  }
  const found = walk.rules.times.findIn(value);
  const atUs = found === undefined ? undefined : walk.rules.times.read(found.value);
  if (atUs instanceof UnreadableTime) return badTime(atUs, found?.field, where);
  return decodeFields(value, { walk, where, atUs, nameOf: undefined }, found?.field);
}

export function badTime(time: UnreadableTime, field: string | undefined, where: string): PayloadProblem {
  const name = field === undefined ? "the time" : `"${field}":`;
  return { reason: "bad-timestamp", detail: `${where}${name} ${time.detail}` };
}

/** The readings of an object's fields. `timeField` is none. */
export function decodeFields(
  fields: Fields | readonly unknown[],
  place: Place,
  timeField: string | undefined,
): PayloadProblem | undefined {
  // Not spread, which takes longer than reading a field.
  const { walk, where, atUs, nameOf } = place;
  return walkFields(fields as Fields, { walk, where, atUs, nameOf, timeField, prefix: "", depth: 1 });
}

function walkFields(fields: Fields, level: Level): PayloadProblem | undefined {
  const { prefix } = level;
  const { consumed } = level.walk.rules;
  let problem: PayloadProblem | undefined;
  // Objects of payloads inherit no names.
  for (const name in fields) {
    const value = fields[name];
    const metric = prefix === "" ? name : `${prefix}.${name}`;
    if (metric === level.timeField || value === null) continue;
    if (consumed.size > 0 && consumed.has(metric)) continue;
    const found = walkField(metric, value, level);
    problem ??= found;
  }
  return problem;
}

function walkField(metric: string, value: unknown, level: Level): PayloadProblem | undefined {
  const { walk, depth } = level;
  if (typeof value !== "object" || value === null) return takeReading(metric, value, level);
  if (value instanceof Uint8Array) return undefined;
  // All names inside start with this one: many names with a long prefix would cost more than the payload's length.
  if (metric.length > walk.rules.nameBytesMax) return badName(metric, level.where, walk.rules);
  if (depth < walk.rules.nestingMax) return walkFields(value as Fields, { ...level, prefix: metric, depth: depth + 1 });
  const detail = `${level.where}${shownName(metric)} is nested deeper than ${walk.rules.nestingMax}`;
  return { reason: "too-large", detail };
}

/** One value, as a reading if possible. */
export function takeReading(field: string, value: unknown, place: Place): PayloadProblem | undefined {
  const { walk, where } = place;
  const { rules } = walk;
  const isNumber = typeof value === "number";
  if (!isNumber && typeof value !== "boolean" && typeof value !== "string" && typeof value !== "bigint")
    return undefined;
  if (field === "") return undefined;
  let metric = place.nameOf === undefined ? field : place.nameOf(field);
  let conversion: Parameters<typeof readScalar>[2];
  if (rules.metricOf !== undefined) {
    const rule = rules.metricOf(metric);
    if (rule === undefined) return undefined;
    metric = rule.metric;
    conversion = rule.conversion;
  }
  if (metric.length > rules.nameBytesMax) return badName(metric, where, rules);
  if (isNumber && !Number.isSafeInteger(value) && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    if (!Number.isFinite(value)) {
      return { reason: "bad-payload", detail: `${where}${shownName(metric)} is a number too large to hold` };
    }
    walk.isInexact = true;
  }
  const read = readScalar(value, rules.values, conversion);
  if (read === undefined || Number.isNaN(read)) return undefined;
  if (typeof read === "string") {
    if (Buffer.byteLength(read) > rules.textBytesMax) return textTooLong(metric, rules);
    if (read.includes("\ufffd")) {
      return { reason: "bad-payload", detail: `${where}${shownName(metric)} has bytes that are not UTF-8 text` };
    }
  }
  if (walk.count >= rules.readingsMax) {
    return { reason: "too-large", detail: `more than ${rules.readingsMax} readings in one message` };
  }
  if (!walk.readings.add(metric, read, place.atUs, conversion?.unit)) return badName(metric, where, rules);
  walk.count++;
  return undefined;
}

/** `where` starts the message. */
function badName(metric: string, where: string, rules: PayloadRules): PayloadProblem {
  const fault = nameFault(metric, rules.nameBytesMax) ?? "cannot name a metric";
  return { reason: "bad-name", detail: `${where}the name of metric ${shownName(metric)} ${fault}` };
}

function textTooLong(metric: string, rules: PayloadRules): PayloadProblem {
  return { reason: "too-large", detail: `${shownName(metric)} is a text of more than ${rules.textBytesMax} bytes` };
}

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

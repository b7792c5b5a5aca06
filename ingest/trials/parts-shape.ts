import { NotJson, parseLenientJson } from "../formats/lenient-json.ts";

/** How the readings of a payload are in its parts: settings of a source. */
export interface PartsShape {
  readonly settings: Readonly<Record<string, unknown>>;
  /** A part, to look for its time. */
  readonly part: unknown;
  /** The settings say which device a reading is from. */
  readonly namesDevice: boolean;
}

export type Fields = Readonly<Record<string, unknown>>;

const METRIC_FIELDS = [
  ...["name", "metric", "id", "n", "tag", "key", "point", "parameter", "path", "value_type", "tagName", "DisplayName"],
  ...["Name", "Tag", "Id"],
];
const VALUE_FIELDS = ["value", "val", "v", "Value"];
const DEPTH_MAX = 4;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Undefined: the fields are readings as they are. */
export function partsOf(value: unknown, path: readonly string[] = []): PartsShape | undefined {
  if (path.length > DEPTH_MAX) return undefined;
  const here = [pairs, series, columns, valuesByName, textsByName].map((find) => find(value, path));
  const found = here.find((shape) => shape !== undefined);
  if (found !== undefined) return found;
  if (!isFields(value)) return undefined;
  const inside = Object.entries(value).flatMap(([name, inner]) => {
    if (!isPlainName(name)) return [];
    const shape = Array.isArray(inner)
      ? (pairs(inner, [...path, name]) ?? (isFields(inner[0]) ? partsOf(inner[0], [...path, name, "*"]) : undefined))
      : isFields(inner)
        ? partsOf(inner, [...path, name])
        : undefined;
    return shape === undefined ? [] : [shape];
  });
  // Of several, one would hide the others.
  return inside.length === 1 ? inside[0] : undefined;
}

/** A name that `each` can hold. */
function isPlainName(name: string): boolean {
  return name !== "" && !/[.{}*[\]]/.test(name);
}

function each(path: readonly string[], ...more: readonly string[]): string {
  return [...path, ...more].join(".");
}

/** `[{name, value}]`, and the name's and the value's field. */
function pairFields(value: unknown): { readonly metric: string; readonly value: string } | undefined {
  if (!Array.isArray(value) || !isFields(value[0])) return undefined;
  const [first] = value;
  const metric = METRIC_FIELDS.find((name) => typeof first[name] === "string" && first[name] !== "");
  const held = VALUE_FIELDS.find((name) => name in first);
  return metric === undefined || held === undefined ? undefined : { metric, value: held };
}

function pairs(value: unknown, path: readonly string[]): PartsShape | undefined {
  const fields = pairFields(value);
  if (fields !== undefined) {
    const settings = { each: each(path, "*"), metric: `{${fields.metric}}`, value: fields.value };
    return { settings, part: (value as readonly unknown[])[0], namesDevice: false };
  }
  // Lists of pairs by name.
  if (!isFields(value) || path.length === 0) return undefined;
  const lists = Object.values(value);
  const inner = lists.map(pairFields);
  const [first] = inner;
  if (first === undefined || !inner.every((one) => one !== undefined)) return undefined;
  const settings = { each: each(path, "{list}", "*"), metric: `{list}.{${first.metric}}`, value: first.value };
  return { settings, part: (lists[0] as readonly unknown[])[0], namesDevice: false };
}

/** `{"Device A": [{ts, values}]}`, and `{"temp": [[ts, value]]}` or `{"temp": [{ts, value}]}`. */
function series(value: unknown, path: readonly string[]): PartsShape | undefined {
  if (!isFields(value)) return undefined;
  const nested = listsInside(value, path);
  if (nested !== undefined) return nested;
  const lists = Object.values(value);
  if (lists.length === 0 || !lists.every((list) => Array.isArray(list) && list.length > 0)) return undefined;
  const [first] = lists[0] as readonly unknown[];
  if (isFields(first) && isFields(first.values)) {
    return { settings: { each: each(path, "{device}", "*", "values") }, part: first, namesDevice: true };
  }
  if (isFields(first)) {
    const held = VALUE_FIELDS.find((name) => name in first);
    if (held === undefined) return undefined;
    return { settings: { each: each(path, "{metric}", "*"), value: held }, part: first, namesDevice: false };
  }
  if (!Array.isArray(first) || first.length !== 2) return undefined;
  const settings = { each: each(path, "{metric}", "*"), names: ["ts", "value"], value: "value" };
  return { settings, part: { ts: first[0] }, namesDevice: false };
}

/** `{"temp": {"values": [{ts, value}]}}` */
function listsInside(value: Fields, path: readonly string[]): PartsShape | undefined {
  const entries = Object.values(value).map((member) => (isFields(member) ? Object.entries(member) : []));
  const [[name = "", list] = []] = entries[0] ?? [];
  const isAlike = entries.every((members) => members.length === 1 && members[0]?.[0] === name);
  const [first] = Array.isArray(list) ? list : [];
  if (!isAlike || !isFields(first) || path.length === 0) return undefined;
  const held = VALUE_FIELDS.find((field) => field in first);
  if (held === undefined || pairFields(list) !== undefined) return undefined;
  return { settings: { each: each(path, "{metric}", name, "*"), value: held }, part: first, namesDevice: false };
}

/** `{"time": [...], "temp": [...]}` */
function columns(value: unknown, path: readonly string[]): PartsShape | undefined {
  if (!isFields(value)) return undefined;
  const arrays = Object.entries(value).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  const length = arrays[0]?.[1].length ?? 0;
  const areColumns =
    arrays.length > 1 &&
    length > 0 &&
    arrays.every(
      ([, cells]) => cells.length === length && cells.every((cell) => typeof cell !== "object" || cell === null),
    );
  if (!areColumns || !arrays.some(([name]) => /^(?:ts|time|timestamp|date|datetime|t)s?$/i.test(name)))
    return undefined;
  const part = Object.fromEntries(arrays.map(([name, cells]) => [name, cells[0]]));
  return { settings: { each: each(path, "[*]") }, part, namesDevice: false };
}

/** `{"temp": {"value": 21.5}, "on": {"value": true}}` */
function valuesByName(value: unknown, path: readonly string[]): PartsShape | undefined {
  if (!isFields(value)) return undefined;
  const members = Object.values(value);
  const objects = members.filter(isFields);
  const held = VALUE_FIELDS.find((name) => objects.length > 0 && objects.every((member) => name in member));
  if (held === undefined || objects.length < members.length) return undefined;
  const settings = { each: each(path, "{metric}"), value: held };
  return { settings, part: objects[0], namesDevice: false };
}

/** A field that is JSON in a text. */
function textsByName(value: unknown, path: readonly string[]): PartsShape | undefined {
  if (!isFields(value)) return undefined;
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== "string" || !/^\s*\{/.test(text) || !isPlainName(name)) continue;
    const parsed = parseLenientJson(text);
    if (!(parsed instanceof NotJson) && isFields(parsed.value)) {
      return { settings: { each: each(path, name) }, part: parsed.value, namesDevice: false };
    }
  }
  return undefined;
}

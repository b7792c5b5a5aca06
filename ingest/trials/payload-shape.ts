import { decodeUtf8, parseExactJson } from "../formats/payload-text.ts";
import { parseTimePattern } from "../mapping/time-pattern.ts";
import { parseTimestampUs } from "../mapping/timestamp.ts";
import { type Fields, isFields, partsOf } from "./parts-shape.ts";

/** What kind of payload it is, and the settings of a source that reads it. */
export interface PayloadShape {
  readonly kind: "value" | "json" | "other";
  readonly settings: Readonly<Record<string, unknown>>;
  /** The settings say which device a reading is from. */
  readonly namesDevice: boolean;
  /** A template that says the device, for topics that do not. */
  readonly device?: string;
}

const DEVICE_FIELDS = [
  ...["deviceName", "device_name", "device_id", "deviceId", "devEUI", "dev_eui", "DevEUI", "coreid", "sn", "serial"],
  ...["HwId", "PublisherId", "SourceNode", "mac", "device", "id", "name"],
];
const TIME_FIELDS = [
  ...["Time", "datetime", "dateTime", "date_time", "date", "tst", "t", "unixtime", "received_at", "created_at"],
  ...["reported_at", "published_at", "last_seen", "timeStamp", "Timestamp", "utc", "measured_at", "sampled_at"],
  ...["SourceTimestamp", "updateTimeStamp", "readingTime", "when"],
];
const USUAL_TIMES = ["ts", "timestamp", "time"];
/** Dates that are not ISO 8601. A day above twelve tells the first two apart. */
const DATE_PATTERNS = [
  ...["DD/MM/YYYY HH:mm:ss", "MM/DD/YYYY HH:mm:ss", "DD.MM.YYYY HH:mm:ss", "DD.MM.YYYY HH:mm", "YYYY.MM.DD HH:mm:ss"],
  ...["YYYY/MM/DD HH:mm:ss", "MM/DD/YYYY hh:mm A", "MM/DD/YYYY hh:mm:ss A", "DD-MM-YYYY HH:mm:ss", "YYYYMMDDHHmmss"],
];
/** Times before 2001 and after 2100 are no times. */
const TIME_US = { min: 978_307_200e6, max: 4_102_444_800e6 };
const BINARY = ["senml", "cbor", "msgpack"] as const;

/** The shapes that a payload may have, the likeliest first. None: nothing that a source could read. */
export function shapesOf(payload: Uint8Array): readonly PayloadShape[] {
  const text = decodeUtf8(payload)?.trim();
  if (text === undefined || hasControlBytes(text)) return BINARY.map(binaryShape);
  if (text === "") return [];
  if (!/^[{["]/.test(text)) return [bareShape(text)];
  const { value } = parseExactJson(payload);
  if (Array.isArray(value)) return arrayShapes(value);
  return isFields(value) ? objectShapes(value) : [bareShape(text), PLAIN];
}

const PLAIN: PayloadShape = { kind: "json", settings: {}, namesDevice: false };

function hasControlBytes(text: string): boolean {
  return [...text.slice(0, 64)].some((character) => character < " " && !/\s/.test(character));
}

function binaryShape(format: (typeof BINARY)[number]): PayloadShape {
  return { kind: "other", settings: { format }, namesDevice: format === "senml" };
}

function bareShape(text: string): PayloadShape {
  // measurement,tag=x field=1 1757145600000000000
  if (/^[^\s,=]+(?:,[^\s=]+=[^\s=]+)* [^\s=]+=\S/.test(text.slice(0, 500))) {
    return { kind: "other", settings: { format: "line-protocol" }, namesDevice: false };
  }
  const isMeasured = /^[+-]?\d[\d.,]*\s*[%°A-Za-zµΩ]/.test(text.slice(0, 64));
  const hasComma = /^[+-]?\d+,\d+(?:\D|$)/.test(text.slice(0, 64));
  const coerce = { ...(hasComma ? { decimal: "," } : {}), ...(isMeasured ? { units: true } : {}) };
  const settings = { format: "value", ...(hasComma || isMeasured ? { coerce } : {}) };
  return { kind: "value", settings, namesDevice: false };
}

function objectShapes(fields: Fields): readonly PayloadShape[] {
  // {"value": 21.5, "ts": 1757145600} is a bare value with its time.
  const others = Object.keys(fields).filter((name) => name !== "value");
  if ("value" in fields && typeof fields.value !== "object" && others.every((name) => isTime(fields[name]))) {
    return [{ kind: "value", settings: { format: "value", ...timeSetting(fields) }, namesDevice: false }];
  }
  const own = { ...deviceSetting(fields) };
  const shapes: PayloadShape[] = [{ kind: "json", settings: timeSetting(fields), namesDevice: false, ...own }];
  const direct = isOnePair(fields) ? partsOf([fields]) : undefined;
  const parts = direct === undefined ? partsOf(fields) : undefined;
  if (direct !== undefined) {
    const { each: _, ...settings } = direct.settings;
    const { device } = own;
    const named = device === undefined || device === settings.metric ? {} : own;
    shapes.unshift({ kind: "json", settings: { ...settings, ...timeSetting(fields) }, namesDevice: false, ...named });
  } else if (parts !== undefined) {
    const time = isFields(parts.part) && hasTime(parts.part) ? timeSetting(parts.part) : timeSetting(fields, "$.");
    const settings = { ...parts.settings, ...time };
    shapes.unshift({ kind: "json", settings, namesDevice: parts.namesDevice, ...deviceSetting(fields, "$.") });
  }
  return shapes;
}

/** Little beside a name and a value. */
function isOnePair(fields: Fields): boolean {
  const numbers = Object.entries(fields).filter(
    ([name, value]) => typeof value === "number" && !isTime(value) && !/^(?:q|qc|quality|ttl|status)$/i.test(name),
  );
  return numbers.length <= 1 && Object.keys(fields).length <= 6;
}

function arrayShapes(items: readonly unknown[]): readonly PayloadShape[] {
  const [first] = items;
  if (!isFields(first)) return [];
  if (("n" in first || "bn" in first) && ["v", "vs", "vb", "vd", "vlo"].some((name) => name in first)) {
    return [{ kind: "other", settings: { format: "senml" }, namesDevice: "bn" in first }];
  }
  const time = timeSetting(first);
  const parts = partsOf(items);
  if (parts !== undefined) {
    const device = ["HwId", "device", "device_id", "deviceName"].find((name) => typeof first[name] === "string");
    const named = device === undefined ? {} : { device: `{${device}}` };
    return [{ kind: "json", settings: { ...parts.settings, ...named, ...time }, namesDevice: device !== undefined }];
  }
  const field = [...DEVICE_FIELDS, ...namesLike(first)].find((name) =>
    items.every((item) => isFields(item) && isName(item[name])),
  );
  const shapes: PayloadShape[] = [{ kind: "json", settings: time, namesDevice: false }];
  const isOfSeveral = field !== undefined && new Set(items.map((item) => (item as Fields)[field])).size > 1;
  if (!isOfSeveral) return shapes;
  return [{ kind: "json", settings: { each: "*", device: `{${field}}`, ...time }, namesDevice: true }, ...shapes];
}

/** Fields whose name says that they name something. */
function namesLike(fields: Fields): string[] {
  return Object.keys(fields).filter((name) => /(?:mac|node|dev|device|meter|sensor)_?(?:id|name)$/i.test(name));
}

/** Nothing if no field says the device. */
function deviceSetting(fields: Fields, root = ""): { readonly device?: string } {
  const [model, id] = [fields.model, fields.id];
  if (typeof model === "string" && isName(id)) return { device: `{${root}model}-{${root}id}` };
  for (const [path, inner] of [["", fields] as const, ...objectsIn(fields)]) {
    const isWhole = path === "";
    const name = DEVICE_FIELDS.filter((field) => isWhole || /dev|sn|serial|core|Publisher/i.test(field)).find((field) =>
      isName(inner[field]),
    );
    if (name !== undefined) return { device: `{${root}${path}${name}}` };
    const like = namesLike(inner).find((field) => isName(inner[field]));
    if (like !== undefined) return { device: `{${root}${path}${like}}` };
  }
  return {};
}

/** The objects in an object, with their paths. */
function objectsIn(fields: Fields): (readonly [path: string, inner: Fields])[] {
  return Object.entries(fields).flatMap(([name, inner]) => (isFields(inner) ? [[`${name}.`, inner] as const] : []));
}

function hasTime(fields: Fields): boolean {
  return [...USUAL_TIMES, ...TIME_FIELDS].some((name) => isTime(fields[name]) || patternOf(fields[name]) !== undefined);
}

/** No settings if the usual fields have it, or none does. */
function timeSetting(fields: Fields, root = ""): Readonly<Record<string, unknown>> {
  if (USUAL_TIMES.some((name) => isTime(fields[name]))) return {};
  const around: (readonly [string, Fields])[] = [["", fields], ...objectsIn(fields)];
  for (const [path, inner] of around) {
    for (const name of [...USUAL_TIMES, ...TIME_FIELDS]) {
      const field = path === "" && root === "" ? name : `$.${path}${name}`;
      if (isTime(inner[name])) return { timestamp: { field } };
      const format = patternOf(inner[name]);
      if (format !== undefined) return { timestamp: { field, format } };
    }
  }
  const [date, clock] = [fields.Date ?? fields.date, fields.Time ?? fields.time];
  if (typeof date === "string" && typeof clock === "string" && isTime(`${date} ${clock}`)) {
    const [day, hour] = ["Date" in fields ? "Date" : "date", "Time" in fields ? "Time" : "time"];
    return { timestamp: { field: `{${day}} {${hour}}` } };
  }
  return {};
}

function isTime(value: unknown): boolean {
  const us = parseTimestampUs(value, "auto");
  return us !== undefined && us >= TIME_US.min && us <= TIME_US.max;
}

/** The pattern of a date; undefined if it is ISO 8601, no date, or could be two. */
function patternOf(value: unknown): string | undefined {
  if (typeof value !== "string" || value.length > 32) return undefined;
  const fitting = DATE_PATTERNS.filter((text) => {
    const pattern = parseTimePattern(text);
    return typeof pattern !== "string" && pattern(value) !== undefined;
  });
  return fitting.length === 1 ? fitting[0] : undefined;
}

function isName(value: unknown): boolean {
  return (typeof value === "string" && value !== "" && !value.startsWith("/")) || typeof value === "number";
}

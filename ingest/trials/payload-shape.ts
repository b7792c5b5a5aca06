import { decodeUtf8, parseExactJson } from "../formats/payload-text.ts";
import { parseTimestampUs } from "../mapping/timestamp.ts";

/** What kind of payload it is, and the settings of a source that reads it. */
export interface PayloadShape {
  readonly kind: "value" | "json" | "other";
  readonly settings: Readonly<Record<string, unknown>>;
  /** The settings say which device a reading is from. */
  readonly namesDevice: boolean;
}

/** Last levels of topics that name a kind of message, not a device. */
export const AUTO_NAMES =
  /^(telemetry|data|state|status|stats|sensors?|values?|info|events?|up|uplink|report|measurements?|readings?|json|attributes|payload)$/i;

const DEVICE_FIELDS = [
  "device",
  "device_id",
  "deviceId",
  "deviceName",
  "devEUI",
  "dev_eui",
  "sn",
  "serial",
  "mac",
  "id",
  "name",
];
const METRIC_FIELDS = ["name", "metric", "id", "n", "tag", "key", "point", "parameter"];
const VALUE_FIELDS = ["value", "val", "v"];
const TIME_FIELDS = [
  ...["Time", "datetime", "dateTime", "date_time", "date", "tst", "t", "unixtime", "received_at", "created_at"],
  ...["last_seen", "timeStamp", "Timestamp", "utc", "measured_at", "sampled_at"],
];
const USUAL_TIMES = ["ts", "timestamp", "time"];
/** Times before 2001 and after 2100 are no times. */
const TIME_US = { min: 978_307_200e6, max: 4_102_444_800e6 };

/** Undefined: nothing that a source could read. */
export function shapeOf(payload: Uint8Array): PayloadShape | undefined {
  const text = decodeUtf8(payload)?.trim();
  if (text === undefined) return undefined;
  if (text === "") return undefined;
  if (!/^[{[]/.test(text)) return bareShape(text);
  const { value } = parseExactJson(payload);
  if (Array.isArray(value)) return arrayShape(value);
  return isFields(value) ? objectShape(value) : undefined;
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

function objectShape(fields: Fields): PayloadShape {
  const time = timeSetting(fields);
  const [metric, value] = [
    METRIC_FIELDS.find((name) => isText(fields[name])),
    VALUE_FIELDS.find((name) => name in fields),
  ];
  if (metric !== undefined && value !== undefined) {
    return { kind: "json", settings: { metric: `{${metric}}`, value, ...time }, namesDevice: false };
  }
  return { kind: "json", settings: time, namesDevice: false };
}

function arrayShape(items: readonly unknown[]): PayloadShape | undefined {
  const [first] = items;
  if (!isFields(first)) return undefined;
  if (("n" in first || "bn" in first) && ["v", "vs", "vb", "vd"].some((name) => name in first)) {
    return { kind: "other", settings: { format: "senml" }, namesDevice: true };
  }
  const time = timeSetting(first);
  const value = VALUE_FIELDS.find((name) => name in first);
  const metric = METRIC_FIELDS.find((name) => isText(first[name]));
  if (value !== undefined && metric !== undefined) {
    return { kind: "json", settings: { each: "*", metric: `{${metric}}`, value, ...time }, namesDevice: false };
  }
  const device = DEVICE_FIELDS.find((name) => items.every((item) => isFields(item) && isName(item[name])));
  if (device !== undefined && items.length > 1) {
    return { kind: "json", settings: { each: "*", device: `{${device}}`, ...time }, namesDevice: true };
  }
  return { kind: "json", settings: time, namesDevice: false };
}

/** Undefined settings if the usual fields have it, or none does. */
function timeSetting(fields: Fields): Readonly<Record<string, unknown>> {
  if (USUAL_TIMES.some((name) => isTime(fields[name]))) return {};
  const field = TIME_FIELDS.find((name) => isTime(fields[name]));
  return field === undefined ? {} : { timestamp: { field } };
}

function isTime(value: unknown): boolean {
  const us = parseTimestampUs(value, "auto");
  return us !== undefined && us >= TIME_US.min && us <= TIME_US.max;
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isName(value: unknown): boolean {
  return isText(value) || typeof value === "number";
}

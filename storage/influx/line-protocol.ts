import type { IncidentEvent } from "../../contracts/incident-events.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { parseIncidentId } from "../../domain/alert-ids.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import type { Series, Tags } from "../../domain/reading.ts";
import { isRetraction, type WindowResult } from "../../domain/window-result.ts";

/** Tag keys that InfluxDB reserves. */
const RESERVED_TAGS = new Set(["time", "_field", "_measurement", "_time"]);
const PLAIN_NAME = /^[\w.:/-]*$/;
/** Fields of `windows` that are not aggregates. */
const WINDOW_FIELDS = new Set(["revision", "window_end", "retracted"]);

/**
 * A name as InfluxDB stores it. Line protocol cannot express a control character in a tag, or a backslash before a comma,
 * an equals sign, a space or the end (its scanner reads the two as an escape). These become the symbol for the
 * character (from U+2400 on) and U+29F5.
 */
export function storedName(name: string): string {
  if (PLAIN_NAME.test(name)) return name;
  return (
    name
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern replaces control characters
      .replace(/[\u0000-\u001f]/g, (char) => String.fromCharCode(0x2400 + char.charCodeAt(0)))
      .replaceAll("\u007f", "\u2421")
      .replace(/\\(?=[,= ]|$)/g, "\u29f5")
  );
}

/** A tag key, tag value or field key, escaped. */
function escapeName(name: string): string {
  return storedName(name).replace(/[,= ]/g, "\\$&");
}

/** A text literal of InfluxQL. */
export function literal(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}

function escapeText(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/**
 * The tags of a point, as InfluxDB stores their names. It has no tags without value, so these are omitted. The point's
 * `own` tags keep their names; another tag of the same name gets an underscore.
 */
function tagsOf(own: Tags, others: Tags): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const tags of [own, others]) {
    for (const name of Object.keys(tags).sort()) {
      const value = tags[name];
      if (name === "" || value === undefined || value === "") continue;
      let key = storedName(name);
      while (RESERVED_TAGS.has(key) || values.has(key)) key += "_";
      values.set(key, value);
    }
  }
  return values;
}

/** The tags of a series' readings, as InfluxDB stores them: with the names of the device and the metric. */
export function storedTags({ device, metric, tags }: Omit<Series, "kind">): ReadonlyMap<string, string> {
  return new Map([...tagsOf({ device, metric }, tags)].map(([name, value]) => [name, storedName(value)]));
}

/** `,name=value` for each tag. */
function tagSet(own: Tags, others: Tags): string {
  // InfluxDB is faster with sorted tags.
  const sorted = [...tagsOf(own, others)].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([key, value]) => `,${escapeName(key)}=${escapeName(value)}`).join("");
}

/** A line of `readings` up to its value. Each kind of value has its own field, because a field's type never changes. */
export function readingPrefix(series: Series): string {
  const field = { number: "value", boolean: "flag", string: "text" }[series.kind];
  return `readings${tagSet({ device: series.device, metric: series.metric }, series.tags)} ${field}=`;
}

/** The value in line protocol; undefined for a number that line protocol cannot express. */
export function readingValue(kind: Series["kind"], value: number, texts: readonly string[]): string | undefined {
  if (kind === "number") return Number.isFinite(value) ? String(value) : undefined;
  if (kind === "boolean") return value === 1 ? "true" : "false";
  return escapeText(texts[value] ?? "");
}

/**
 * A line of `windows` at the window's start. A text has its own field, because a field's type never changes; an
 * aggregate without value has none. `retracted` is always present, so that queries can filter by `retracted = false`,
 * and a window that reappears is valid again.
 */
export function windowLine(window: WindowResult): string {
  let fields = "";
  for (const [name, value] of Object.entries(window.aggregates)) {
    if (name === "") continue;
    const field = WINDOW_FIELDS.has(name) ? `${name}_` : name;
    if (typeof value === "string") fields += `${escapeName(`${field}_text`)}=${escapeText(value)},`;
    else if (Number.isFinite(value)) fields += `${escapeName(field)}=${value},`;
  }
  fields += `retracted=${isRetraction(window)},revision=${window.revision}i,window_end=${window.endUs}i`;
  return `windows${tagSet({ rule: window.rule }, window.labels)} ${fields} ${window.startUs}`;
}

/**
 * A line of `incident_events`, in nanoseconds, like those of `alerts`. Decisions on several alerts have one time, so the
 * alert is a tag, and so are the receiver and the state of its change.
 */
export function incidentEventLine(event: IncidentEvent): string {
  const { id, kind, incident, atUs } = event;
  const { rule = incident, keyHash = "" } = parseIncidentId(incident) ?? {};
  const { receiver, state } = event.kind === "delivery" ? event.delivery : { receiver: "", state: "" };
  const tags = tagSet({ rule, alert: keyHash, kind, receiver, state }, {});
  const by = event.kind === "acknowledgement" ? event.acknowledgement.by : "";
  const outcome = event.kind === "delivery" ? event.delivery.outcome : "";
  const fields = [
    `id=${escapeText(id)}`,
    `incident=${escapeText(incident)}`,
    `by=${escapeText(by)}`,
    `outcome=${escapeText(outcome)}`,
    `event=${escapeText(JSON.stringify(event))}`,
  ];
  return `incident_events${tags} ${fields.join(",")} ${BigInt(atUs) * 1000n + BigInt(fnv1a32(id) % 1000)}`;
}

/**
 * A line of `alerts`, in nanoseconds. The last three digits derive from the change's id, so that two changes of one
 * alert at one instant remain two points.
 */
export function alertLine(alert: AlertChange): string {
  const { rule, state, severity } = alert;
  const tags = tagSet({ rule, state, severity }, alert.key);
  const fields = [
    `id=${escapeText(alert.id)}`,
    `incident=${escapeText(alert.incident)}`,
    `from=${escapeText(alert.from)}`,
    `summary=${escapeText(alert.annotations.summary ?? "")}`,
    `condition=${escapeText(alert.evidence.condition)}`,
    `active_at=${alert.activeAtUs}i`,
    `processed_at=${alert.processedAtUs}i`,
    `change=${escapeText(JSON.stringify(alert))}`,
  ];
  if (typeof alert.value === "string") fields.push(`value_text=${escapeText(alert.value)}`);
  else if (Number.isFinite(alert.value)) fields.push(`value=${alert.value}`);
  const atNs = BigInt(alert.atUs) * 1000n + BigInt(fnv1a32(alert.id) % 1000);
  return `alerts${tags} ${fields.join(",")} ${atNs}`;
}

/** Named labels of a series, a group or an alert: site, room, line... */
export type Tags = Readonly<Record<string, string>>;

export type ReadingValue = number | boolean | string;

export type ValueKind = "number" | "boolean" | "string";

/** One measured value. Device, metric, tags and `atUs` identify it: a second one with the same four is a duplicate. */
export interface Reading {
  readonly device: string;
  readonly metric: string;
  readonly tags: Tags;
  /** Observation time, whole microseconds since the epoch. */
  readonly atUs: number;
  readonly value: ReadingValue;
}

/** What all readings of one sensor's metric share. A metric that changes its kind becomes another series. */
export interface Series {
  readonly device: string;
  readonly metric: string;
  readonly tags: Tags;
  readonly kind: ValueKind;
}

export function kindOf(value: ReadingValue): ValueKind {
  switch (typeof value) {
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    default:
      return "string";
  }
}

/** A device for people: its name and all its tags. Devices of one name at two sites are two devices. */
export interface Device {
  readonly device: string;
  readonly tags: Tags;
}

/** The text that names a series: equal for equal series, whatever the order of their tags. */
export function seriesKey(series: Series): string {
  return `${series.device}\u0000${series.metric}\u0000${series.kind}${tagsKey(series.tags)}`;
}

/** As `seriesKey`, without the kind: with the time, this is what identifies a reading. */
export function sensorKey(sensor: Omit<Series, "kind">): string {
  return `${sensor.device}\u0000${sensor.metric}${tagsKey(sensor.tags)}`;
}

// Names and values have no control characters, so the text is unambiguous.
function tagsKey(tags: Tags): string {
  let key = "";
  for (const name of Object.keys(tags).sort()) key += `\u0000${name}\u0001${tags[name]}`;
  return key;
}

/**
 * The text that names a device, in tables and for people: `meter-1`, or with tags `meter-1{phase=L1,site=north}`.
 * A backslash stands before a brace, comma, equals sign or backslash of a name, so different devices differ.
 */
export function deviceKey({ device, tags }: Device): string {
  const names = Object.keys(tags).sort();
  if (names.length === 0) return escaped(device);
  let inside = "";
  for (const name of names) inside += `${inside === "" ? "" : ","}${escaped(name)}=${escaped(tags[name] ?? "")}`;
  return `${escaped(device)}{${inside}}`;
}

function escaped(text: string): string {
  return text.replace(/[\\{},=]/g, "\\$&");
}

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

/** The text that names a series: equal for equal series, whatever the order of their tags. */
export function seriesKey(series: Series): string {
  const tags = Object.keys(series.tags).sort();
  let key = `${series.device}\u0000${series.metric}\u0000${series.kind}`;
  for (const name of tags) key += `\u0000${name}\u0001${series.tags[name]}`;
  return key;
}

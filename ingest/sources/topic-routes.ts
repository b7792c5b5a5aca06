import { FrameSeries } from "../../domain/frame-writer.ts";
import { partitionOf } from "../../domain/partition.ts";
import type { Device, Tags, ValueKind } from "../../domain/reading.ts";
import type { IngestConfig, SourceConfig } from "../common/config.ts";
import type { DeviceCounts, DeviceLedger } from "../common/device-ledger.ts";
import type { Decode } from "../formats/format.ts";
import { decoderOf } from "../formats/formats.ts";
import { compileMetricFilter } from "../names/metric-filter.ts";
import { hasControlCharacter, nameFault, shownName } from "../names/names.ts";

/** The meaning of a topic. One object per topic, which caches the topic's series. */
export interface Route {
  readonly source: SourceConfig;
  readonly device: string;
  readonly tags: Tags;
  /** From the topic, for bare values. */
  readonly metric: string | undefined;
  readonly partition: number;
  readonly decode: Decode;
  readonly series: SeriesCache;
  /** Counts what happens to the device's messages. */
  readonly counts: DeviceCounts;
}

/** Returns the same object for the same metric and kind, so that frames need not encode the series again. */
export class SeriesCache {
  readonly #device: string;
  readonly #tags: Tags;
  readonly #nameBytesMax: number;
  readonly #number = new Map<string, FrameSeries>();
  readonly #boolean = new Map<string, FrameSeries>();
  readonly #string = new Map<string, FrameSeries>();

  constructor({ device, tags, nameBytesMax }: { device: string; tags: Tags; nameBytesMax: number }) {
    this.#device = device;
    this.#tags = tags;
    this.#nameBytesMax = nameBytesMax;
  }

  /** Undefined if the name cannot be a metric's: it is too long, or has control characters. */
  get(metric: string, kind: ValueKind): FrameSeries | undefined {
    const ofKind = kind === "number" ? this.#number : kind === "boolean" ? this.#boolean : this.#string;
    let series = ofKind.get(metric);
    if (series === undefined) {
      if (nameFault(metric, this.#nameBytesMax) !== undefined) return undefined;
      series = new FrameSeries({ device: this.#device, metric, tags: this.#tags, kind });
      // A device that keeps inventing metric names must not exhaust memory.
      if (ofKind.size >= SERIES_PER_TOPIC_MAX) ofKind.clear();
      ofKind.set(metric, series);
    }
    return series;
  }
}

const SERIES_PER_TOPIC_MAX = 10_000;
/** Longer topics are matched each time: no real device uses them, and they would fill the cache. */
const REMEMBERED_CHARACTERS_MAX = 1_024;

/** Finds the source of a topic, and caches up to `topicsMax` topics. */
export class TopicRoutes {
  readonly #matchers: readonly Matcher[];
  readonly #partitions: number;
  readonly #topicsMax: number;
  readonly #nameBytesMax: number;
  readonly #ledger: DeviceLedger;
  readonly #known = new Map<string, Route | RouteProblem>();

  constructor(options: {
    readonly sources: readonly SourceConfig[];
    readonly partitions: number;
    readonly limits: IngestConfig["limits"];
    readonly ledger: DeviceLedger;
  }) {
    this.#ledger = options.ledger;
    this.#matchers = options.sources.map((source) => compileSource(source, options.limits));
    this.#partitions = options.partitions;
    this.#topicsMax = options.limits.topics_max;
    this.#nameBytesMax = options.limits.name_size_max;
  }

  /** The meaning of the topic, or why it has none. */
  find(topic: string): Route | RouteProblem {
    const known = this.#known.get(topic);
    if (known !== undefined) return known;
    const found = this.#resolve(topic);
    if (topic.length > REMEMBERED_CHARACTERS_MAX) return found;
    if (this.#known.size >= this.#topicsMax) this.#known.clear();
    this.#known.set(topic, found);
    return found;
  }

  #resolve(topic: string): Route | RouteProblem {
    if (hasControlCharacter(topic)) return { problem: "bad-topic", detail: "the topic has a control character" };
    const levels = topic.split("/");
    for (const { source, match, decode } of this.#matchers) {
      const captured = match(levels);
      if (captured === undefined) continue;
      const fault = this.#faultOf(captured);
      if (fault !== undefined) return { problem: "bad-name", detail: fault };
      const { device = "", metric, ...rest } = captured;
      if (device === "" || metric === "") return { problem: "bad-topic", detail: "an empty level names no device" };
      const tags: Tags = { ...source.tags, ...rest };
      const partition = partitionOf(device, this.#partitions);
      // A copy, because a slice of a string keeps the whole string in memory.
      const isLong = topic.length > REMEMBERED_CHARACTERS_MAX;
      const counts = this.#ledger.of(isLong ? copyOf({ device, tags }) : { device, tags });
      const series = new SeriesCache({ device, tags, nameBytesMax: this.#nameBytesMax });
      return { source, device, tags, metric, partition, decode, series, counts };
    }
    return { problem: "unknown-topic", detail: "no source matches this topic" };
  }

  #faultOf(captured: Readonly<Record<string, string>>): string | undefined {
    for (const [level, name] of Object.entries(captured)) {
      const fault = nameFault(name, this.#nameBytesMax);
      if (fault !== undefined) return `{${level}} of the topic, ${shownName(name)}, ${fault}`;
    }
    return undefined;
  }
}

function copyOf({ device, tags }: Device): Device {
  const copy = (text: string) => Buffer.from(text).toString();
  return {
    device: copy(device),
    tags: Object.fromEntries(Object.entries(tags).map(([name, text]) => [name, copy(text)])),
  };
}

export interface RouteProblem {
  readonly problem: "bad-topic" | "bad-name" | "unknown-topic" | "reading-failed";
  readonly detail: string;
}

interface Matcher {
  readonly source: SourceConfig;
  readonly match: (levels: readonly string[]) => Record<string, string> | undefined;
  readonly decode: Decode;
}

function compileSource(source: SourceConfig, limits: IngestConfig["limits"]): Matcher {
  const pattern = source.topic.split("/");
  const open = pattern.at(-1) === "#";
  if (open) pattern.pop();
  const names = pattern.map((level) => (level.startsWith("{") ? level.slice(1, -1) : undefined));
  return {
    source,
    decode: decoderOf(source.format, {
      timestampField: source.timestamp.field,
      timestampUnit: source.timestamp.unit,
      wants: compileMetricFilter(source.metrics),
      readingsMax: limits.readings_per_message_max,
      nestingMax: limits.nesting_max,
      textBytesMax: limits.text_size_max,
      nameBytesMax: limits.name_size_max,
    }),
    match: (levels) => {
      if (open ? levels.length < pattern.length : levels.length !== pattern.length) return undefined;
      const captured: Record<string, string> = {};
      for (const [i, level] of pattern.entries()) {
        const name = names[i];
        const actual = levels[i] ?? "";
        if (name !== undefined) captured[name] = actual;
        else if (level !== "+" && level !== actual) return undefined;
      }
      return captured;
    },
  };
}

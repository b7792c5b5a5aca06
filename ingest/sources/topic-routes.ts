import { FrameSeries } from "../../domain/frame-writer.ts";
import { partitionOf } from "../../domain/partition.ts";
import type { Device, Series, Tags, ValueKind } from "../../domain/reading.ts";
import type { IngestConfig, SourceConfig } from "../common/config.ts";
import type { DeviceCounts, DeviceLedger } from "../common/device-ledger.ts";
import { decoderOf } from "../mapping/decoder.ts";
import type { Decode } from "../mapping/rules.ts";
import { compileMetricFilter } from "../names/metric-filter.ts";
import { hasControlCharacter, nameFault, shownName } from "../names/names.ts";
import { type KnownDevice, type KnownOne, KnownSeries, type Refused } from "./known-series.ts";

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
  readonly known: KnownDevice;
  /** Counts what happens to the device's messages. */
  readonly counts: DeviceCounts;
}

/** A series in the form that frames hold, and whether it may still send. */
class RouteSeries extends FrameSeries {
  readonly known: KnownOne;

  constructor(series: Series, known: KnownOne) {
    super(series);
    this.known = known;
  }
}

interface SeriesCacheOptions {
  readonly known: KnownDevice;
  readonly knownSeries: KnownSeries;
  readonly nameBytesMax: number;
  readonly onCached: (bytes: number) => void;
}

/** Returns the same object for the same metric and kind, so that frames need not encode the series again. */
export class SeriesCache {
  readonly #options: SeriesCacheOptions;
  readonly #number = new Map<string, RouteSeries>();
  readonly #boolean = new Map<string, RouteSeries>();
  readonly #string = new Map<string, RouteSeries>();
  /** Why the last `get` returned nothing, if its name is valid. */
  refused: Refused<"too-many-series"> | undefined;

  constructor(options: SeriesCacheOptions) {
    this.#options = options;
  }

  /**
   * Undefined if the name cannot be a metric's, because it is too long or has control characters; or if the series is
   * one too many (`refused`).
   */
  get(metric: string, kind: ValueKind, atUs: number): FrameSeries | undefined {
    const ofKind = kind === "number" ? this.#number : kind === "boolean" ? this.#boolean : this.#string;
    const series = ofKind.get(metric);
    if (series === undefined || series.known.isForgotten) return this.#add(ofKind, metric, kind, atUs);
    series.known.seenAtUs = atUs;
    return series;
  }

  #add(ofKind: Map<string, RouteSeries>, metric: string, kind: ValueKind, atUs: number): FrameSeries | undefined {
    const { known, knownSeries, nameBytesMax, onCached } = this.#options;
    this.refused = undefined;
    if (nameFault(metric, nameBytesMax) !== undefined) return undefined;
    const one = knownSeries.series(known, metric, atUs);
    if ("reason" in one) {
      this.refused = one;
      return undefined;
    }
    const series = new RouteSeries({ ...known.device, metric, kind }, one);
    // A device that keeps inventing metric names must not exhaust memory.
    if (ofKind.size >= SERIES_PER_TOPIC_MAX) ofKind.clear();
    ofKind.set(metric, series);
    onCached(SERIES_BYTES + series.field.length);
    return series;
  }
}

const SERIES_PER_TOPIC_MAX = 10_000;
/** Estimates of what the cache holds for a topic, and for a series, besides their names. */
const TOPIC_BYTES = 1_024;
const SERIES_BYTES = 512;
/** The cache is cleared above this: a topic or name may be as long as it likes, up to its own limit. */
const CACHE_BYTES_MAX = 128 * 1_048_576;
/** Longer topics are matched each time: no real device uses them, and they would fill the cache. */
const REMEMBERED_CHARACTERS_MAX = 1_024;

/** Finds the source of a topic, and caches up to `topicsMax` topics. */
export class TopicRoutes {
  readonly #matchers: readonly Matcher[];
  readonly #partitions: number;
  readonly #topicsMax: number;
  readonly #nameBytesMax: number;
  readonly #knownSeries: KnownSeries;
  readonly #known = new Map<string, Route | RouteProblem>();
  readonly #cacheBytesMax: number;
  #cachedBytes = 0;

  constructor(options: {
    readonly sources: readonly SourceConfig[];
    readonly partitions: number;
    readonly limits: IngestConfig["limits"];
    readonly ledger: DeviceLedger;
    readonly cacheBytesMax?: number;
  }) {
    this.#knownSeries = new KnownSeries(options.limits, options.ledger);
    this.#matchers = options.sources.map((source) => compileSource(source, options.limits));
    this.#partitions = options.partitions;
    this.#cacheBytesMax = options.cacheBytesMax ?? CACHE_BYTES_MAX;
    this.#topicsMax = options.limits.topics_max;
    this.#nameBytesMax = options.limits.name_size_max;
  }

  get cachedBytes(): number {
    return this.#cachedBytes;
  }

  /**
   * The meaning of the topic, or why it has none. `sender` is who is charged for a new device: a user, or an address.
   */
  find(topic: string, sender = "", atUs = 0): Route | RouteProblem {
    const known = this.#known.get(topic);
    if (known !== undefined) {
      if ("problem" in known) return known;
      known.known.seenAtUs = atUs;
      if (!known.known.isForgotten) return known;
    }
    const found = this.#resolve(topic, sender, atUs);
    // A device may be refused now and accepted later.
    const isFinal = !("problem" in found) || found.problem !== "too-many-devices";
    if (topic.length <= REMEMBERED_CHARACTERS_MAX && isFinal) this.#remember(topic, found);
    return found;
  }

  #remember(topic: string, found: Route | RouteProblem): void {
    if (this.#known.size >= this.#topicsMax || this.#cachedBytes > this.#cacheBytesMax) {
      this.#known.clear();
      this.#cachedBytes = 0;
    }
    this.#known.set(topic, found);
    this.#cachedBytes += TOPIC_BYTES + 2 * topic.length;
  }

  #resolve(topic: string, sender: string, atUs: number): Route | RouteProblem {
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
      // A copy, because a slice of a string keeps the whole string in memory.
      const isLong = topic.length > REMEMBERED_CHARACTERS_MAX;
      const known = this.#knownSeries.device(isLong ? copyOf({ device, tags }) : { device, tags }, sender, atUs);
      if ("reason" in known) return { problem: known.reason, detail: known.detail };
      return this.#routeOf(known, { source, decode, metric });
    }
    return { problem: "unknown-topic", detail: "no source matches this topic" };
  }

  #routeOf(known: KnownDevice, { source, decode, metric }: Pick<Route, "source" | "decode" | "metric">): Route {
    const { device, tags } = known.device;
    const series = new SeriesCache({
      known,
      knownSeries: this.#knownSeries,
      nameBytesMax: this.#nameBytesMax,
      onCached: (bytes) => {
        this.#cachedBytes += bytes;
      },
    });
    const partition = partitionOf(device, this.#partitions);
    return { source, device, tags, metric, partition, decode, series, known, counts: known.counts };
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
  readonly problem: "bad-topic" | "bad-name" | "unknown-topic" | "reading-failed" | "too-many-devices";
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

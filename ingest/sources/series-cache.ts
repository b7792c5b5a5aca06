import { FrameSeries } from "../../domain/frame-writer.ts";
import type { Series, ValueKind } from "../../domain/reading.ts";
import { nameFault } from "../names/names.ts";
import type { KnownDevice, KnownOne, KnownSeries, Refused } from "./known-series.ts";

/** A series in the form that frames hold, and whether it may still send. */
export class RouteSeries extends FrameSeries {
  readonly known: KnownOne;
  /** The last message with a reading of it, and the times of the first and the last of those. */
  inMessage = 0;
  oldestUs = Number.NaN;
  newestUs = Number.NaN;

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
  get(metric: string, kind: ValueKind, atUs: number): RouteSeries | undefined {
    const ofKind = kind === "number" ? this.#number : kind === "boolean" ? this.#boolean : this.#string;
    const series = ofKind.get(metric);
    if (series === undefined || series.known.isForgotten) return this.#add(ofKind, metric, kind, atUs);
    series.known.seenAtUs = atUs;
    return series;
  }

  #add(ofKind: Map<string, RouteSeries>, metric: string, kind: ValueKind, atUs: number): RouteSeries | undefined {
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
/** An estimate of what a series holds besides its name. */
const SERIES_BYTES = 512;

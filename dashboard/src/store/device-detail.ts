import { type ReadonlySignal, signal } from "@preact/signals";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import type { StatesAnswer } from "../../../contracts/http/data.ts";
import type { Device, ReadingValue, Tags } from "../../../domain/reading.ts";
import type { WindowResult } from "../../../domain/window-result.ts";
import {
  medianIntervalUs,
  RANGES,
  type Range,
  rangeCovering,
  rangeForInterval,
  rangeForSample,
  type Sample,
  type Span,
} from "../lib/ranges.ts";
import { RUNS_MAX } from "../lib/state-runs.ts";
import type { Frame } from "./frame.ts";
import { LiveTrack, type MetricTrack } from "./metric-track.ts";
import { Turns } from "./turns.ts";
import { LiveWindows, type WindowTrack } from "./window-track.ts";

const DAY_US = 86_400_000_000;
const MONTH_US = 30 * DAY_US;
const HISTORY_BUCKETS = 1_000;
const METRICS_MAX = 60;
const WINDOW_TRACKS_MAX = 200;
/** A sample with fewer readings says little about their pace. */
const SAMPLE_READINGS_MIN = 3;
/** The shortest time between two requests for a chart whose buffer overflows, as a share of its range. */
const ASK_AGAIN_SHARE = 0.05;
/** The store has readings a little later than the feed. */
const STORED_MS = 3_000;
/** The shortest time between two requests for a chart whose live readings may be incomplete. */
const COMPLETE_EVERY_MS = 30_000;

const NO_STATES: LoadStates = async () => ({ runs: [], complete: true, before: null });

export interface ReadingPoint {
  readonly metric: string;
  readonly atUs: number;
  readonly value: ReadingValue;
}

/** A series, and a span of its past. */
export interface SeriesSpan extends Device, Span {
  readonly metric: string;
}

export type LoadSeries = (query: SeriesSpan & { readonly points: number }) => Promise<SeriesAnswer>;
export type LoadStates = (query: SeriesSpan & { readonly limit: number }) => Promise<StatesAnswer>;

export interface DeviceDetailOptions {
  readonly device: Device;
  readonly range: Range | undefined;
  readonly span?: Span | undefined;
  readonly frame: Frame;
  /** Draws the charts. Not batched, so that each task sees how long its drawing takes. */
  readonly drawing?: Frame;
  readonly loadSeries: LoadSeries;
  readonly loadStates?: LoadStates;
  /** For pacing only: `performance.now()`. */
  readonly nowMs?: () => number;
  /** `setTimeout`. */
  readonly later?: (run: () => void, ms: number) => void;
}

/**
 * The live charts of one device: live readings from the feed, joined to the past from the store. ADR 16.
 *
 * Readings and results go straight into the tracks. Signals change once a frame, and each chart's `version` changes when
 * the chart has its turn to draw. An answer from the store counts only if there was no later request.
 */
export class DeviceDetail {
  readonly device: Device;
  readonly #metrics = signal<readonly MetricTrack[]>([]);
  readonly metrics: ReadonlySignal<readonly MetricTrack[]> = this.#metrics;
  readonly #windows = signal<readonly WindowTrack[]>([]);
  /** Changes when a rule's first result arrives. Later results change the version of their metric. */
  readonly windows: ReadonlySignal<readonly WindowTrack[]> = this.#windows;
  readonly #range = signal<Range | undefined>(undefined);
  /** The range of the charts while they follow the present; undefined until the pace of the readings is known. */
  readonly range: ReadonlySignal<Range | undefined> = this.#range;
  readonly #span = signal<Span | undefined>(undefined);
  /** The chosen span of the past; undefined while the charts follow the present. */
  readonly span: ReadonlySignal<Span | undefined> = this.#span;
  readonly #newestUs = signal(-Infinity);
  /** The newest observation time of the device: where the charts end. */
  readonly newestUs: ReadonlySignal<number> = this.#newestUs;
  readonly #historyState = signal<"loading" | "loaded" | "unavailable">("loading");
  readonly historyState: ReadonlySignal<"loading" | "loaded" | "unavailable"> = this.#historyState;
  readonly #frame: Frame;
  readonly #loadSeries: LoadSeries;
  readonly #loadStates: LoadStates;
  readonly #turns: Turns<MetricTrack>;
  readonly #nowMs: () => number;
  readonly #later: (run: () => void, ms: number) => void;
  readonly #tracks = new Map<string, LiveTrack>();
  readonly #windowTracks = new Map<string, LiveWindows>();
  readonly #loading = new Set<LiveTrack>();
  #newest = -Infinity;
  #windowsChanged = false;
  #membersChanged = false;
  #closed = false;
  /** Increases when answers to earlier requests no longer count. */
  #generation = 0;

  constructor(options: DeviceDetailOptions) {
    const { frame, drawing = frame, nowMs = () => 0, later = () => {} } = options;
    this.#nowMs = nowMs;
    this.#later = later;
    this.device = options.device;
    this.#range.value = options.range;
    this.#span.value = options.span;
    this.#frame = frame;
    this.#loadSeries = options.loadSeries;
    this.#loadStates = options.loadStates ?? NO_STATES;
    this.#turns = new Turns({ frame: drawing, nowMs, draw: (track) => this.#draw(track) });
  }

  chooseRange(range: Range): void {
    const before = this.#span.peek();
    this.#span.value = undefined;
    if (before !== undefined) for (const track of this.#tracks.values()) track.setPast(undefined);
    this.#range.value = range;
    this.reload();
    this.#redrawAll();
  }

  chooseSpan(span: Span): void {
    this.#span.value = span;
    this.reload();
    this.#redrawAll();
  }

  readings(items: readonly ReadingPoint[]): void {
    const before = this.#newest;
    for (const { atUs } of items) this.#newest = Math.max(this.#newest, atUs);
    // All charts share the time axis, so it moves in all of them.
    if (this.#newest > before) for (const track of this.#tracks.values()) this.#turns.due(track);
    for (const { metric, atUs, value } of items) {
      const track = this.#trackOf(metric, typeof value === "number" ? "number" : "word");
      if (track === undefined) continue;
      if (track.pushLive({ atUs, value, nowMs: this.#nowMs() })) this.#completeLater(track);
      this.#turns.due(track);
      if (this.#span.peek() === undefined) this.#loadOverflowed(track);
    }
    this.#frame(this.#flush);
  }

  windowResults(results: readonly WindowResult[]): void {
    for (const result of results) {
      if (!isAbout(result.labels, this.device)) continue;
      const { metric } = result.labels;
      const track = this.#windowTrackOf(result.rule, metric);
      if (track === undefined) continue;
      track.push(result);
      if (metric === undefined) for (const each of this.#tracks.values()) this.#turns.due(each);
      const own = metric === undefined ? undefined : this.#tracks.get(metric);
      if (own !== undefined) this.#turns.due(own);
    }
    this.#frame(this.#flush);
  }

  /** The order of the charts on the screen, because neighbours are drawn together. */
  arrange(metrics: readonly MetricTrack[]): void {
    this.#turns.arrange(metrics);
  }

  /** A whole chart was drawn. The browser has this many points to paint before it can draw more charts. */
  drewAll(points: number): void {
    this.#turns.drewAll(points);
  }

  /** Requests all charts from the store again: after a gap in the feed, or for another range. */
  reload(): void {
    this.#generation++;
    for (const track of this.#tracks.values()) void this.#load(track);
  }

  close(): void {
    this.#closed = true;
    this.#generation++;
    this.#turns.end();
  }

  /** A single function, so that each frame runs it once, however often it is requested. */
  readonly #flush = (): void => {
    if (this.#closed) return;
    this.#newestUs.value = this.#newest;
    if (this.#membersChanged) {
      this.#metrics.value = [...this.#tracks.values()];
      this.#turns.arrange(this.#metrics.value);
      this.#membersChanged = false;
    }
    if (this.#windowsChanged) this.#windows.value = [...this.#windowTracks.values()];
    this.#windowsChanged = false;
  };

  #draw(track: MetricTrack): void {
    this.#newestUs.value = this.#newest;
    const known = this.#tracks.get(track.metric);
    if (known !== undefined) known.version.value++;
  }

  #redrawAll(): void {
    for (const track of this.#tracks.values()) this.#turns.due(track);
    this.#frame(this.#flush);
  }

  /** Undefined for metrics beyond the limit. A metric that changes its kind starts over. */
  #trackOf(metric: string, kind: MetricTrack["kind"]): LiveTrack | undefined {
    const known = this.#tracks.get(metric);
    if (known !== undefined && known.kind === kind) return known;
    if (known === undefined && this.#tracks.size >= METRICS_MAX) return undefined;
    const track = new LiveTrack(metric, kind);
    this.#tracks.set(metric, track);
    this.#membersChanged = true;
    void this.#load(track);
    return track;
  }

  #windowTrackOf(rule: string, metric: string | undefined): LiveWindows | undefined {
    const key = `${rule}\u0000${metric ?? ""}`;
    const known = this.#windowTracks.get(key);
    if (known !== undefined || this.#windowTracks.size >= WINDOW_TRACKS_MAX) return known;
    const track = new LiveWindows(rule, metric);
    this.#windowTracks.set(key, track);
    this.#windowsChanged = true;
    return track;
  }

  async #load(track: LiveTrack): Promise<void> {
    const span = this.#span.peek();
    if ((this.#newest === -Infinity && span === undefined) || this.#loading.has(track)) return;
    this.#loading.add(track);
    const asked = this.#generation;
    try {
      if (track.kind === "word") await this.#loadWords(track, span, asked);
      else if (span === undefined) await this.#loadRange(track, asked);
      else await this.#loadSpan(track, span, asked);
    } catch {
      if (this.#closed) return;
      this.#historyState.value = "unavailable";
      if (this.#range.peek() === undefined) {
        const intervalUs = medianIntervalUs(track.points.view().at);
        this.#range.value = intervalUs === undefined ? RANGES[0] : rangeForInterval(intervalUs);
      }
    } finally {
      this.#loading.delete(track);
      if (!this.#closed && asked !== this.#generation) void this.#load(track);
      this.#turns.due(track);
      this.#frame(this.#flush);
    }
  }

  async #loadWords(track: LiveTrack, chosen: Span | undefined, asked: number): Promise<void> {
    const toUs = this.#newest + 1;
    const range = this.#range.peek();
    const span = chosen ?? { fromUs: toUs - (range?.us ?? DAY_US), toUs };
    const answer = await this.#loadStates({ ...this.device, ...span, metric: track.metric, limit: RUNS_MAX });
    if (this.#closed || asked !== this.#generation) return;
    if (chosen === undefined && range === undefined) {
      // Numbers choose the range. A device without any shows a day, or its whole short past.
      if ([...this.#tracks.values()].some(({ kind }) => kind === "number")) return;
      const firstUs = answer.runs[0]?.fromUs ?? toUs;
      this.chooseRange(rangeCovering(answer.before === null && answer.complete ? toUs - firstUs : DAY_US));
      return;
    }
    if (track.states.replace(answer, span.toUs)) this.#completeLater(track);
    this.#historyState.value = "loaded";
  }

  async #loadSpan(track: LiveTrack, span: Span, asked: number): Promise<void> {
    const past = await this.#loadSeries({ ...this.device, metric: track.metric, ...span, points: HISTORY_BUCKETS });
    if (this.#closed || asked !== this.#generation) return;
    track.setPast(past);
    this.#historyState.value = "loaded";
  }

  async #loadRange(track: LiveTrack, asked: number): Promise<void> {
    const range = this.#range.peek() ?? (await this.#firstRange(track));
    if (this.#closed || asked !== this.#generation) return;
    if (this.#range.peek() === undefined) {
      this.chooseRange(range);
      return;
    }
    const toUs = this.#newest + 1;
    const span = { fromUs: toUs - range.us, toUs };
    const answer = await this.#loadSeries({
      ...this.device,
      ...span,
      metric: track.metric,
      points: HISTORY_BUCKETS,
    });
    if (this.#closed || asked !== this.#generation) return;
    // As the store divides a span.
    const bucketUs = Math.max(1, Math.ceil(range.us / HISTORY_BUCKETS));
    const incomplete = track.setHistory(answer, { toUs, bucketUs });
    if (incomplete) this.#completeLater(track);
    this.#historyState.value = "loaded";
  }

  /** Until a range is chosen, a day of data shows the pace of the series; a month, if the day has hardly any. */
  async #firstRange(track: LiveTrack): Promise<Range> {
    const day = await this.#sample(track, DAY_US);
    return rangeForSample(day.readings < SAMPLE_READINGS_MIN ? await this.#sample(track, MONTH_US) : day);
  }

  async #sample({ metric, points }: LiveTrack, us: number): Promise<Sample> {
    const toUs = this.#newest + 1;
    const span = { fromUs: toUs - us, toUs };
    const { atUs, count } = await this.#loadSeries({ ...this.device, metric, ...span, points: HISTORY_BUCKETS });
    // The store may not have the very first readings yet.
    const stored = count.reduce((sum, one) => sum + one, 0);
    return { ...span, readings: Math.max(stored, points.length), firstUs: Math.min(atUs[0] ?? toUs, points.oldest) };
  }

  /** Requests a chart again soon: the feed may have left out readings, or the store did not have all of them yet. */
  #completeLater(track: LiveTrack): void {
    if (track.isDue) return;
    track.isDue = true;
    const dueMs = track.completedAtMs + COMPLETE_EVERY_MS - this.#nowMs();
    this.#later(
      () => {
        track.isDue = false;
        track.completedAtMs = this.#nowMs();
        if (!this.#closed && this.#span.peek() === undefined) void this.#load(track);
      },
      Math.max(STORED_MS, dueMs),
    );
  }

  /** If a buffer dropped points of the range, the store fills it in buckets that fit. */
  #loadOverflowed(track: LiveTrack): void {
    const rangeUs = this.#range.peek()?.us;
    if (track.points.dropped === 0 || rangeUs === undefined || track.points.oldest <= this.#newest - rangeUs) return;
    // Not for every reading: the store may have no more, or be away.
    if (this.#newest - track.overflowedAtUs < rangeUs * ASK_AGAIN_SHARE) return;
    track.overflowedAtUs = this.#newest;
    void this.#load(track);
  }
}

/** Whether a group is this device, or contains it with others of its name. */
function isAbout({ device, metric: _, ...labels }: Tags, own: Device): boolean {
  return device === own.device && Object.entries(labels).every(([name, value]) => own.tags[name] === value);
}

import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { ReadingValue } from "../../../domain/reading.ts";
import type { WindowResult } from "../../../domain/window-result.ts";
import type { SeriesAnswer } from "../../../platform/history.ts";
import { medianIntervalUs, type Range, rangeForInterval } from "../lib/ranges.ts";
import { SeriesBuffer } from "../lib/series-buffer.ts";
import type { Frame } from "./frame.ts";

export const CHART_POINTS = 4_000;
const HISTORY_BUCKETS = 1_000;
const WORDS_MAX = 60;
const METRICS_MAX = 60;
const WINDOW_TRACKS_MAX = 200;
const WINDOW_POINTS = 1_000;
/** Shows a day when nothing tells a series' pace. */
const UNKNOWN_INTERVAL_US = 720_000_000;

export interface WordChange {
  readonly atUs: number;
  readonly word: string;
}

/** Everything known about one metric of the device on the screen. */
export interface MetricTrack {
  readonly metric: string;
  readonly kind: "number" | "word";
  /** Counts up with every change of what is below. */
  readonly version: ReadonlySignal<number>;
  readonly points: SeriesBuffer;
  /** Spread of the readings behind each point that stands for many. */
  history(): SeriesAnswer | undefined;
  /** Oldest first; a word that repeats is one change. */
  readonly words: readonly WordChange[];
}

/** Results of one rule's windows over this metric. */
export interface WindowTrack {
  readonly rule: string;
  /** Undefined when the rule groups the metric away. */
  readonly metric: string | undefined;
  readonly results: readonly WindowResult[];
}

export interface DeviceDetail {
  readonly device: string;
  readonly metrics: ReadonlySignal<readonly MetricTrack[]>;
  readonly windowsVersion: ReadonlySignal<number>;
  windows(): Iterable<WindowTrack>;
  readonly range: ReadonlySignal<Range | undefined>;
  /** Newest observation time of the device: where the charts end. */
  readonly newestUs: ReadonlySignal<number>;
  readonly historyState: ReadonlySignal<"loading" | "loaded" | "unavailable">;
  chooseRange(range: Range): void;
  readings(items: readonly ReadingPoint[]): void;
  windowResults(results: readonly WindowResult[]): void;
  /** Asks the store again for all charts: after a gap in the feed, or when a chart outgrew its buffer. */
  reload(): void;
  close(): void;
}

export interface ReadingPoint {
  readonly metric: string;
  readonly atUs: number;
  readonly value: ReadingValue;
}

export type LoadSeries = (query: {
  readonly device: string;
  readonly metric: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly points: number;
}) => Promise<SeriesAnswer>;

interface Track extends MetricTrack {
  readonly version: Signal<number>;
  readonly words: WordChange[];
  answer: SeriesAnswer | undefined;
}

export function createDeviceDetail(options: {
  readonly device: string;
  readonly range: Range | undefined;
  readonly frame: Frame;
  readonly loadSeries: LoadSeries;
}): DeviceDetail {
  const { device, frame, loadSeries } = options;
  const tracks = new Map<string, Track>();
  const windowTracks = new Map<string, { rule: string; metric: string | undefined; results: WindowResult[] }>();
  const metrics = signal<readonly MetricTrack[]>([]);
  const windowsVersion = signal(0);
  const range = signal(options.range);
  const newestUs = signal(-Infinity);
  const historyState = signal<"loading" | "loaded" | "unavailable">("loading");
  const dirty = new Set<Track>();
  const loading = new Set<Track>();
  let newest = -Infinity;
  let windowsDirty = false;
  let membersChanged = false;
  let closed = false;
  /** Answers to older questions are ignored. */
  let generation = 0;

  function flush(): void {
    if (closed) return;
    newestUs.value = newest;
    if (membersChanged) {
      metrics.value = [...tracks.values()];
      membersChanged = false;
    }
    for (const track of dirty) track.version.value++;
    dirty.clear();
    if (windowsDirty) windowsVersion.value++;
    windowsDirty = false;
  }

  function trackOf(metric: string, kind: MetricTrack["kind"]): Track | undefined {
    const known = tracks.get(metric);
    if (known !== undefined && known.kind === kind) return known;
    if (known === undefined && tracks.size >= METRICS_MAX) return undefined;
    const track: Track = {
      metric,
      kind,
      version: signal(0),
      points: new SeriesBuffer(CHART_POINTS),
      words: [],
      answer: undefined,
      history: () => track.answer,
    };
    tracks.set(metric, track);
    membersChanged = true;
    if (kind === "number") void load(track);
    return track;
  }

  async function load(track: Track): Promise<void> {
    if (newest === -Infinity || loading.has(track)) return;
    loading.add(track);
    const asked = generation;
    try {
      const chosen = range.peek();
      // With no range chosen, a day shows the series' pace, and the pace chooses the range.
      const spanUs = chosen?.us ?? 86_400_000_000;
      const toUs = newest + 1;
      const query = { device, metric: track.metric, fromUs: toUs - spanUs, toUs, points: HISTORY_BUCKETS };
      const answer = await loadSeries(query);
      if (closed || asked !== generation) return;
      if (range.peek() === undefined) {
        const readings = answer.count.reduce((sum, count) => sum + count, 0);
        chooseRange(rangeForInterval(spanUs / Math.max(readings, 1)));
        return;
      }
      replaceHistory(track, answer);
      historyState.value = "loaded";
    } catch {
      if (closed) return;
      historyState.value = "unavailable";
      if (range.peek() === undefined) {
        range.value = rangeForInterval(medianIntervalUs(track.points.view().at) ?? UNKNOWN_INTERVAL_US);
      }
    } finally {
      loading.delete(track);
      if (!closed && asked !== generation) void load(track);
    }
    dirty.add(track);
    frame(flush);
  }

  function replaceHistory(track: Track, answer: SeriesAnswer): void {
    const live = track.points.view();
    const lastUs = answer.atUs.at(-1) ?? -Infinity;
    const newer: [number, number][] = [];
    live.at.forEach((atUs, index) => {
      if (atUs > lastUs) newer.push([atUs, live.values[index] ?? Number.NaN]);
    });
    track.points.clear();
    answer.atUs.forEach((atUs, index) => {
      track.points.push(atUs, answer.avg[index] ?? Number.NaN);
    });
    for (const [atUs, value] of newer) track.points.push(atUs, value);
    track.answer = answer;
  }

  function reload(): void {
    generation++;
    for (const track of tracks.values()) if (track.kind === "number") void load(track);
  }

  function chooseRange(next: Range): void {
    range.value = next;
    reload();
    for (const track of tracks.values()) dirty.add(track);
    frame(flush);
  }

  function outgrown(track: Track): boolean {
    const spanUs = range.peek()?.us;
    return track.points.dropped > 0 && spanUs !== undefined && track.points.oldest > newest - spanUs;
  }

  return {
    device,
    metrics,
    windowsVersion,
    windows: () => windowTracks.values(),
    range,
    newestUs,
    historyState,
    chooseRange,
    readings(items) {
      for (const { atUs } of items) newest = Math.max(newest, atUs);
      for (const { metric, atUs, value } of items) {
        const track = trackOf(metric, typeof value === "number" ? "number" : "word");
        if (track === undefined) continue;
        if (typeof value === "number") track.points.push(atUs, value);
        else pushWord(track.words, atUs, String(value));
        dirty.add(track);
        if (outgrown(track)) void load(track);
      }
      frame(flush);
    },
    windowResults(results) {
      for (const result of results) {
        if (result.labels.device !== device) continue;
        const metric = result.labels.metric;
        const key = `${result.rule}\u0000${metric ?? ""}`;
        let track = windowTracks.get(key);
        if (track === undefined) {
          if (windowTracks.size >= WINDOW_TRACKS_MAX) continue;
          track = { rule: result.rule, metric, results: [] };
          windowTracks.set(key, track);
        }
        pushWindow(track.results, result);
        windowsDirty = true;
      }
      frame(flush);
    },
    reload,
    close() {
      closed = true;
      generation++;
    },
  };
}

function pushWord(words: WordChange[], atUs: number, word: string): void {
  const last = words.at(-1);
  if (last !== undefined && (last.word === word || atUs <= last.atUs)) return;
  words.push({ atUs, word });
  if (words.length > WORDS_MAX) words.shift();
}

/** Keeps results by start time; a higher revision takes the place of a lower one. */
function pushWindow(results: WindowResult[], result: WindowResult): void {
  let index = results.length;
  while (index > 0 && (results[index - 1]?.startUs ?? 0) > result.startUs) index--;
  const before = results[index - 1];
  if (before !== undefined && before.startUs === result.startUs && before.endUs === result.endUs) {
    if (result.revision >= before.revision) results[index - 1] = result;
    return;
  }
  results.splice(index, 0, result);
  if (results.length > WINDOW_POINTS) results.shift();
}

import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import type { ReadingValue } from "../../../domain/reading.ts";
import type { WindowResult } from "../../../domain/window-result.ts";
import { medianIntervalUs, type Range, rangeForInterval, type Span } from "../lib/ranges.ts";
import { SeriesBuffer } from "../lib/series-buffer.ts";
import type { Frame } from "./frame.ts";
import { createTurns } from "./turns.ts";

export const CHART_POINTS = 4_000;
const HISTORY_BUCKETS = 1_000;
const WORDS_MAX = 60;
const METRICS_MAX = 60;
const WINDOW_TRACKS_MAX = 200;
const WINDOW_POINTS = 1_000;
/** Shows a day when nothing tells a series' pace. */
const UNKNOWN_INTERVAL_US = 720_000_000;
/** A chart that outgrew its buffer asks again after this share of its range: the store may have no more, or be away. */
const ASK_AGAIN_SHARE = 0.05;

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
  /** The readings of the span that was chosen; undefined until they have come. */
  past(): SeriesAnswer | undefined;
  /** Oldest first; a word that repeats is one change. */
  readonly words: readonly WordChange[];
}

/** Results of one rule's windows over this metric. */
export interface WindowTrack {
  readonly rule: string;
  /** Undefined when the rule groups the metric away. */
  readonly metric: string | undefined;
  readonly results: readonly WindowResult[];
  /** Counts up with every change of the results. */
  changes(): number;
}

export interface DeviceDetail {
  readonly device: string;
  readonly metrics: ReadonlySignal<readonly MetricTrack[]>;
  /** Changes when a rule's first window comes; their results change with the version of the metric. */
  readonly windows: ReadonlySignal<readonly WindowTrack[]>;
  readonly range: ReadonlySignal<Range | undefined>;
  /** A stretch of the past that was chosen; undefined while the charts follow the present. */
  readonly span: ReadonlySignal<Span | undefined>;
  /** Newest observation time of the device: where the charts end. */
  readonly newestUs: ReadonlySignal<number>;
  readonly historyState: ReadonlySignal<"loading" | "loaded" | "unavailable">;
  chooseRange(range: Range): void;
  chooseSpan(span: Span): void;
  readings(items: readonly ReadingPoint[]): void;
  windowResults(results: readonly WindowResult[]): void;
  /** The order of the charts on the screen: neighbours are drawn together. */
  arrange(metrics: readonly MetricTrack[]): void;
  /** A chart was drawn as a whole, of so many points: charts that have not had their turn may wait for the next frame. */
  drewAnew(points: number): void;
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
  pastAnswer: SeriesAnswer | undefined;
  /** The newest reading when the buffer was outgrown and the store was asked. */
  outgrewAtUs: number;
}

interface Windows extends WindowTrack {
  readonly results: WindowResult[];
  changed: number;
}

export function createDeviceDetail(options: {
  readonly device: string;
  readonly range: Range | undefined;
  readonly span?: Span | undefined;
  readonly frame: Frame;
  /** Its tasks see how long their drawing takes: a frame without a batch. */
  readonly drawing?: Frame;
  readonly loadSeries: LoadSeries;
  /** For pacing only: `performance.now()`. */
  readonly nowMs?: () => number;
}): DeviceDetail {
  const { device, frame, drawing = frame, loadSeries, nowMs = () => 0 } = options;
  const tracks = new Map<string, Track>();
  const windowTracks = new Map<string, Windows>();
  const metrics = signal<readonly MetricTrack[]>([]);
  const windows = signal<readonly WindowTrack[]>([]);
  const range = signal(options.range);
  const span = signal(options.span);
  const newestUs = signal(-Infinity);
  const historyState = signal<"loading" | "loaded" | "unavailable">("loading");
  const loading = new Set<Track>();
  let newest = -Infinity;
  let windowsChanged = false;
  let membersChanged = false;
  let closed = false;
  /** Answers to older questions are ignored. */
  let generation = 0;
  const turns = createTurns<MetricTrack>({
    frame: drawing,
    nowMs,
    draw(track) {
      newestUs.value = newest;
      const known = tracks.get(track.metric);
      if (known !== undefined) known.version.value++;
    },
  });

  function flush(): void {
    if (closed) return;
    newestUs.value = newest;
    if (membersChanged) {
      metrics.value = [...tracks.values()];
      turns.arrange(metrics.value);
      membersChanged = false;
    }
    if (windowsChanged) windows.value = [...windowTracks.values()];
    windowsChanged = false;
  }

  function update(): void {
    frame(flush);
  }

  function markDirty(metric: string): void {
    const track = tracks.get(metric);
    if (track !== undefined) turns.due(track);
  }

  function touchAll(): void {
    for (const track of tracks.values()) turns.due(track);
    update();
  }

  function trackOf(metric: string, kind: MetricTrack["kind"]): Track | undefined {
    const known = tracks.get(metric);
    if (known !== undefined && known.kind === kind) return known;
    if (known === undefined && tracks.size >= METRICS_MAX) return undefined;
    const track: Track = {
      metric,
      kind,
      version: signal(0),
      points: new SeriesBuffer(CHART_POINTS, { reserve: kind === "number" }),
      words: [],
      answer: undefined,
      pastAnswer: undefined,
      outgrewAtUs: -Infinity,
      history: () => track.answer,
      past: () => track.pastAnswer,
    };
    tracks.set(metric, track);
    membersChanged = true;
    if (kind === "number") void load(track);
    return track;
  }

  async function load(track: Track): Promise<void> {
    const fixed = span.peek();
    if ((newest === -Infinity && fixed === undefined) || loading.has(track)) return;
    loading.add(track);
    const asked = generation;
    try {
      if (fixed !== undefined) {
        const past = await loadSeries({ device, metric: track.metric, ...fixed, points: HISTORY_BUCKETS });
        if (closed || asked !== generation) return;
        track.pastAnswer = past;
        historyState.value = "loaded";
        return;
      }
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
      turns.due(track);
      update();
    }
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
    const before = span.peek();
    span.value = undefined;
    if (before !== undefined) for (const track of tracks.values()) track.pastAnswer = undefined;
    range.value = next;
    reload();
    touchAll();
  }

  function chooseSpan(next: Span): void {
    span.value = next;
    reload();
    touchAll();
  }

  function loadOutgrown(track: Track): void {
    const spanUs = range.peek()?.us;
    if (track.points.dropped === 0 || spanUs === undefined || track.points.oldest <= newest - spanUs) return;
    if (newest - track.outgrewAtUs < spanUs * ASK_AGAIN_SHARE) return;
    track.outgrewAtUs = newest;
    void load(track);
  }

  return {
    device,
    metrics,
    windows,
    range,
    span,
    newestUs,
    historyState,
    chooseRange,
    chooseSpan,
    readings(items) {
      const before = newest;
      for (const { atUs } of items) newest = Math.max(newest, atUs);
      // All charts share the time axis, so it moves on in all of them.
      if (newest > before) for (const track of tracks.values()) turns.due(track);
      for (const { metric, atUs, value } of items) {
        const track = trackOf(metric, typeof value === "number" ? "number" : "word");
        if (track === undefined) continue;
        if (typeof value === "number") track.points.push(atUs, value);
        else pushWord(track.words, atUs, String(value));
        turns.due(track);
        if (span.peek() === undefined) loadOutgrown(track);
      }
      update();
    },
    windowResults(results) {
      for (const result of results) {
        if (result.labels.device !== device) continue;
        const metric = result.labels.metric;
        const key = `${result.rule}\u0000${metric ?? ""}`;
        let track = windowTracks.get(key);
        if (track === undefined) {
          if (windowTracks.size >= WINDOW_TRACKS_MAX) continue;
          track = createWindows(result.rule, metric);
          windowTracks.set(key, track);
          windowsChanged = true;
        }
        pushWindow(track.results, result);
        track.changed++;
        if (metric === undefined) for (const each of tracks.values()) turns.due(each);
        else markDirty(metric);
      }
      update();
    },
    arrange: turns.arrange,
    drewAnew: turns.drewAnew,
    reload,
    close() {
      closed = true;
      generation++;
      turns.end();
    },
  };
}

function pushWord(words: WordChange[], atUs: number, word: string): void {
  const last = words.at(-1);
  if (last !== undefined && (last.word === word || atUs <= last.atUs)) return;
  words.push({ atUs, word });
  if (words.length > WORDS_MAX) words.shift();
}

function createWindows(rule: string, metric: string | undefined): Windows {
  const windows: Windows = { rule, metric, results: [], changed: 0, changes: () => windows.changed };
  return windows;
}

/** Keeps results by start time; a higher revision takes the place of a lower one, and a retraction takes it away. */
function pushWindow(results: WindowResult[], result: WindowResult): void {
  if (result.endUs === result.startUs) {
    const gone = results.findIndex(({ startUs }) => startUs === result.startUs);
    if (gone !== -1) results.splice(gone, 1);
    return;
  }
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

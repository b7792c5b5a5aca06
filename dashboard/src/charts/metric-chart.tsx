import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { formatCount, formatInstant, formatNumber, formatValue, NO_VALUE, type Zone } from "../lib/format.ts";
import { type Span, spanAround } from "../lib/ranges.ts";
import { describeRule, type RuleView } from "../lib/rules.ts";
import type { AlertSpan } from "../lib/spans.ts";
import { useVisible } from "../lib/visible.ts";
import type { DeviceDetail } from "../store/device-detail.ts";
import type { MetricTrack } from "../store/metric-track.ts";
import type { WindowTrack } from "../store/window-track.ts";
import { LivePlot } from "./live-plot.ts";
import { NO_OVERLAYS, type ThresholdLine } from "./overlays.ts";
import { usePalette } from "./palette.ts";
import {
  chooseWindowRule,
  type Figures,
  figuresOf,
  hasSpread,
  lineAggregate,
  pastView,
  windowBoxes,
} from "./picture.ts";
import { createPlot, type PlotOptions, type PlotState } from "./plot.ts";

export interface MetricChartProps {
  readonly detail: DeviceDetail;
  readonly track: MetricTrack;
  /** The range of the chart while it follows the present. */
  readonly rangeUs: number;
  /** The chosen span of the past; undefined while the chart follows the present. */
  readonly span: Span | undefined;
  readonly zone: Zone;
  /** The rules that evaluate this metric. */
  readonly rules: readonly RuleView[];
  readonly spans: readonly AlertSpan[];
  readonly windows: readonly WindowTrack[];
  onSelect(span: Span): void;
}

const WORDS_EVERY_MS = 500;
const UNSEEN_WORDS_EVERY_MS = 2_000;
const WORDS_LATE_MS = 200;
const WORDS_PER_FRAME = 12;

/** One metric as a live line, with the thresholds and windows of its rules, and the alerts it caused. */
export function MetricChart(props: MetricChartProps): JSX.Element {
  const { detail, track, zone, rules, span } = props;
  const card = useRef<HTMLElement>(null);
  const visible = useVisible(card);
  const windowRule = chooseWindowRule(rules, props.windows);
  const windows = props.windows.find((one) => one.rule === windowRule?.id);
  const plot = useLivePlot(props, { visible, windowRule, windows });

  // Read without subscribing: charts take turns to draw, and each turn reads the newest instant.
  const toUs = span?.toUs ?? detail.newestUs.peek();
  const fromUs = span?.fromUs ?? toUs - props.rangeUs;
  const figures = figuresOf(span === undefined ? track.points.view() : pastView(track.past()), fromUs, toUs);
  const hovered = plot.hovered();
  return (
    <section class="chart" ref={card} data-metric={track.metric} data-points={figures.points}>
      <div class="chart-head">
        <h2>{track.metric}</h2>
        <output class="chart-value">{formatValue(hovered?.value ?? figures.last)}</output>
        <span class="chart-when">
          {hovered === undefined ? endWords(figures, { span, fromUs, zone }) : pointWords(hovered, zone)}
        </span>
        <Summary figures={figures} />
      </div>
      <div class="chart-plot" ref={plot.place} role="img" aria-label={describe(track.metric, figures, span)} />
      {figures.extent === undefined && (
        <NoReadings {...props} lastUs={span === undefined ? figures.lastUs : undefined} />
      )}
      <Legend rules={rules} windowRule={windowRule} boxes={windowBoxes(windows, windowRule, fromUs).length} />
    </section>
  );
}

/** `now`, or the time of the last reading if that is before the range. */
function endWords(
  { lastCount, lastUs }: Figures,
  { span, fromUs, zone }: { readonly span: Span | undefined; readonly fromUs: number; readonly zone: Zone },
): string {
  if (span !== undefined) return lastCount > 1 ? "average at the end" : "at the end";
  return lastUs !== undefined && lastUs < fromUs ? formatInstant(lastUs, zone) : "now";
}

/** In place of the line. Leads to the last reading, if it is known. */
function NoReadings(props: MetricChartProps & { readonly lastUs: number | undefined }): JSX.Element {
  const { lastUs, rangeUs, onSelect } = props;
  return (
    <p class="chart-empty">
      No readings in this range{" "}
      {lastUs !== undefined && (
        <button type="button" class="small-button" onClick={() => onSelect(spanAround(lastUs, rangeUs))}>
          Show the last one
        </button>
      )}
    </p>
  );
}

interface Hovered {
  readonly atMs: number;
  readonly value: number | undefined;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** `14 Mar 2013, 14:03 · 4.1 to 25.9 in 60 readings` */
function pointWords({ atMs, low, high, count }: Hovered, zone: Zone): string {
  const when = formatInstant(atMs * 1000, zone);
  return count > 1 ? `${when} · ${formatNumber(low)} to ${formatNumber(high)} in ${formatCount(count)} readings` : when;
}

/** The chart in words, for people who cannot see it. */
function describe(metric: string, { last, extent }: Figures, span: Span | undefined): string {
  const low = formatNumber(extent?.low ?? Number.NaN);
  const high = formatNumber(extent?.high ?? Number.NaN);
  return `${metric}: ${span === undefined ? "now" : "at the end"} ${formatValue(last)}, lowest ${low}, highest ${high} in this range`;
}

/** Draws the line, its windows, thresholds and alerts into the element at `place`. */
function useLivePlot(
  props: MetricChartProps,
  shown: {
    readonly visible: boolean;
    readonly windowRule: RuleView | undefined;
    readonly windows: WindowTrack | undefined;
  },
) {
  const { detail, track, rangeUs, span, spans, zone, rules } = props;
  const { visible, windowRule, windows } = shown;
  const palette = usePalette();
  const cursor = useSignal<number | undefined>(undefined);
  const mounted = useRef<MountedPlot | undefined>(undefined);
  const place = useRef<HTMLDivElement>(null);
  const thresholds: readonly ThresholdLine[] = useMemo(
    () => rules.flatMap((rule) => rule.thresholds.map((line) => ({ ...line, severity: rule.severity }))),
    [rules],
  );
  const show = useLatest(() => {
    const scene = { track, rangeUs, newestUs: detail.newestUs.peek(), span, thresholds, spans, windows, windowRule };
    const drawn = mounted.current?.live.show(scene);
    if (drawn?.drew === "all") detail.drewAll(drawn.points);
  });
  const select = useLatest(props.onSelect);
  const seen = useRef(visible);
  seen.current = visible;

  useLayoutEffect(() => {
    if (place.current === null) return;
    const plot = mountPlot({
      element: place.current,
      palette,
      zone,
      show,
      onCursor: (index) => {
        cursor.value = index;
      },
      onSelect: (fromMs, toMs) => select({ fromUs: Math.round(fromMs * 1000), toUs: Math.round(toMs * 1000) }),
    });
    mounted.current = plot;
    show();
    return () => {
      plot.unmount();
      mounted.current = undefined;
    };
  }, [palette, zone]);
  useEffect(() => {
    if (visible) show();
  }, [visible, span, rangeUs, props.windows, windowRule, thresholds, spans]);
  useCalmRender(track, seen, show);

  /** The drawn point under the pointer. */
  function hovered(): Hovered | undefined {
    const index = cursor.value;
    const plot = mounted.current;
    if (index === undefined || plot === undefined) return undefined;
    const [at, values] = plot.plot.data;
    const { low, high, counts } = plot.state.overlays.spread;
    const atMs = at[index];
    if (atMs === undefined) return undefined;
    const value = values?.[index] ?? undefined;
    return { atMs, value, low: low[index] ?? 0, high: high[index] ?? 0, count: counts[index] ?? 0 };
  }
  return { place, hovered };
}

/** A function that never changes and always calls the newest version of another one. */
function useLatest<Arguments extends unknown[]>(run: (...args: Arguments) => void): (...args: Arguments) => void {
  const latest = useRef(run);
  latest.current = run;
  return useRef((...args: Arguments) => latest.current(...args)).current;
}

interface MountedPlot {
  readonly plot: uPlot;
  readonly state: PlotState;
  readonly live: LivePlot;
  unmount(): void;
}

/** Puts a plot into an element, at the element's size. */
function mountPlot(options: Omit<PlotOptions, "state"> & { show(): void }): MountedPlot {
  const { element, palette, show } = options;
  const state: PlotState = {
    xRange: [0, 1],
    yRange: [0, 1],
    usualStepMs: undefined,
    overlays: NO_OVERLAYS,
  };
  const plot = createPlot({ ...options, state });
  const live = new LivePlot(plot, state, palette.line);
  const observer = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = element;
    if (width === plot.width && height === plot.height) return;
    plot.setSize({ width, height });
    live.forget();
    show();
  });
  observer.observe(element);
  return {
    plot,
    state,
    live,
    unmount() {
      observer.disconnect();
      plot.destroy();
    },
  };
}

/**
 * The line follows each reading, but words that change faster than a person reads are rendered less often. The frame
 * that draws the line renders the words of a few charts. When no more readings arrive, a timer does.
 */
function useCalmRender(track: MetricTrack, seen: { readonly current: boolean }, draw: () => void): void {
  const [, render] = useState(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let renderedAtMs = performance.now();
    function renderNow(): void {
      clearTimeout(timer);
      timer = undefined;
      renderedAtMs = performance.now();
      render((count) => count + 1);
    }
    const stop = track.version.subscribe(() => {
      if (seen.current) draw();
      const everyMs = seen.current ? WORDS_EVERY_MS : UNSEEN_WORDS_EVERY_MS;
      const dueInMs = everyMs - (performance.now() - renderedAtMs);
      if (dueInMs <= 0 && mayRenderInThisFrame()) renderNow();
      else timer ??= setTimeout(renderNow, Math.max(0, dueInMs) + WORDS_LATE_MS);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [track]);
}

let renderedFrame: CSSNumberish | null = null;
let renderedInFrame = 0;

function mayRenderInThisFrame(): boolean {
  const frame = document.timeline.currentTime;
  if (frame !== renderedFrame) renderedInFrame = 0;
  renderedFrame = frame;
  return ++renderedInFrame <= WORDS_PER_FRAME;
}

function Summary({ figures }: { readonly figures: Figures }): JSX.Element {
  const { extent, average } = figures;
  return (
    <dl class="chart-summary">
      <dt>min</dt>
      <dd>{extent === undefined ? NO_VALUE : formatNumber(extent.low)}</dd>
      <dt>avg</dt>
      <dd>{average === undefined ? NO_VALUE : formatNumber(average)}</dd>
      <dt>max</dt>
      <dd>{extent === undefined ? NO_VALUE : formatNumber(extent.high)}</dd>
    </dl>
  );
}

/** Explains the lines and boxes. Always one line high. */
function Legend(props: {
  readonly rules: readonly RuleView[];
  readonly windowRule: RuleView | undefined;
  readonly boxes: number;
}): JSX.Element {
  const { rules, windowRule, boxes } = props;
  return (
    <p class="chart-key">
      <span class="key-line">readings</span>
      {windowRule !== undefined && boxes > 0 && <span class="key-window">{windowWords(windowRule)}</span>}
      {rules.map((rule) => {
        const words = describeRule(rule);
        if (words === undefined) return null;
        return (
          <span key={rule.id} class="key-rule" data-severity={rule.severity} title={`${rule.id}: ${words}`}>
            {rule.severity} if {words}
          </span>
        );
      })}
    </p>
  );
}

function windowWords(rule: RuleView): string {
  const spread = hasSpread(rule) ? ", min to max" : "";
  return `${lineAggregate(rule) ?? "value"}${spread} over ${rule.window?.text ?? "its window"}`;
}

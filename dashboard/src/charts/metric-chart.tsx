import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { formatInstant, formatNumber, formatValue, NO_VALUE, type Zone } from "../lib/format.ts";
import type { Span } from "../lib/ranges.ts";
import { describeRule, type RuleView } from "../lib/rules.ts";
import type { AlertSpan } from "../lib/spans.ts";
import { useVisible } from "../lib/visible.ts";
import type { DeviceDetail } from "../store/device-detail.ts";
import type { MetricTrack } from "../store/metric-track.ts";
import type { WindowTrack } from "../store/window-track.ts";
import { createLivePlot, type LivePlot } from "./live-plot.ts";
import type { ThresholdLine } from "./overlays.ts";
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
import { createPlot, type PlotState } from "./plot.ts";

export interface MetricChartProps {
  readonly detail: DeviceDetail;
  readonly track: MetricTrack;
  /** How long a stretch is shown while the chart follows the present. */
  readonly rangeUs: number;
  /** A stretch of the past, when one was chosen. */
  readonly span: Span | undefined;
  readonly zone: Zone;
  /** Rules that watch this metric. */
  readonly rules: readonly RuleView[];
  readonly spans: readonly AlertSpan[];
  readonly windows: readonly WindowTrack[];
  onSelect(span: Span): void;
}

const WORDS_EVERY_MS = 500;
const UNSEEN_WORDS_EVERY_MS = 2_000;
const WORDS_LATE_MS = 200;
const WORDS_PER_FRAME = 12;

/** One metric as a live line, with its rules' thresholds and windows, and the alerts it caused. */
export function MetricChart(props: MetricChartProps): JSX.Element {
  const { detail, track, zone, rules, spans, span } = props;
  const place = useRef<HTMLDivElement>(null);
  const card = useRef<HTMLElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const live = useRef<LivePlot | undefined>(undefined);
  const state = useRef<PlotState>({
    xRange: [0, 1],
    yRange: [0, 1],
    usualStepMs: undefined,
    overlays: { thresholds: [], spans: [], windows: [], spread: [] },
  });
  const palette = usePalette();
  const visible = useVisible(card);
  const cursor = useSignal<number | undefined>(undefined);
  const thresholds: readonly ThresholdLine[] = useMemo(
    () => rules.flatMap((rule) => rule.thresholds.map((line) => ({ ...line, severity: rule.severity }))),
    [rules],
  );
  const windowRule = chooseWindowRule(rules, props.windows);
  const windows = props.windows.find((one) => one.rule === windowRule?.id);
  // The time axis is looked at, not listened to: charts take their turns to draw (see the store).
  const toUs = () => span?.toUs ?? detail.newestUs.peek();
  const fromUs = () => span?.fromUs ?? toUs() - props.rangeUs;

  function show(): void {
    const { rangeUs } = props;
    const newestUs = detail.newestUs.peek();
    const drawn = live.current?.show({ track, rangeUs, newestUs, span, thresholds, spans, windows, windowRule });
    if (drawn?.drew === "all") detail.drewAll(drawn.points);
  }
  const latest = useRef(show);
  latest.current = show;
  const select = useRef(props.onSelect);
  select.current = props.onSelect;

  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) return;
    const onCursor = (index: number | undefined) => {
      cursor.value = index;
    };
    const onSelect = (fromMs: number, toMs: number) =>
      select.current({ fromUs: Math.round(fromMs * 1000), toUs: Math.round(toMs * 1000) });
    const made = createPlot({ element, state: state.current, palette, zone, onCursor, onSelect });
    const drawing = createLivePlot(made, state.current, palette.line);
    plot.current = made;
    live.current = drawing;
    latest.current();
    const observer = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = element;
      if (width === made.width && height === made.height) return;
      made.setSize({ width, height });
      drawing.forget();
      latest.current();
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
      live.current = undefined;
    };
  }, [palette, zone]);
  useEffect(() => {
    if (visible) latest.current();
  }, [visible, span, props.rangeUs, props.windows, windowRule, thresholds, spans]);
  const seen = useRef(visible);
  seen.current = visible;
  useCalmly(track, seen, show);

  const figures = figuresOf(span === undefined ? track.points.view() : pastView(track.past()), fromUs(), toUs());
  // What the pointer is on is told from the picture as it was drawn.
  const hovered = cursor.value;
  const [atMs, value] = hovered === undefined ? [] : (plot.current?.data ?? []).map((column) => column[hovered]);
  return (
    <section class="chart" ref={card} data-metric={track.metric} data-points={figures.points}>
      <div class="chart-head">
        <h2>{track.metric}</h2>
        <output class="chart-value">{formatValue(value ?? figures.last)}</output>
        <span class="chart-when">
          {typeof atMs === "number" ? formatInstant(atMs * 1000, zone) : span === undefined ? "now" : "at its end"}
        </span>
        <Summary figures={figures} />
      </div>
      <div
        class="chart-plot"
        ref={place}
        role="img"
        aria-label={`${track.metric}: now ${formatValue(figures.last)}, lowest ${formatNumber(figures.extent?.low ?? Number.NaN)}, highest ${formatNumber(figures.extent?.high ?? Number.NaN)} in this range`}
      />
      {figures.points === 0 && <p class="chart-empty">No readings in this range</p>}
      <Key rules={rules} windowRule={windowRule} boxes={windowBoxes(windows, windowRule, fromUs()).length} />
    </section>
  );
}

/**
 * The line follows each reading; words that change faster than they are read are told anew less often. They are told in
 * the frame that draws the line, a few charts in each, and by a timer when no more readings come.
 */
function useCalmly(track: MetricTrack, seen: { readonly current: boolean }, draw: () => void): void {
  const [, tell] = useState(0);
  const latest = useRef(draw);
  latest.current = draw;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let toldAtMs = performance.now();
    function tellNow(): void {
      clearTimeout(timer);
      timer = undefined;
      toldAtMs = performance.now();
      tell((count) => count + 1);
    }
    const stop = track.version.subscribe(() => {
      if (seen.current) latest.current();
      const everyMs = seen.current ? WORDS_EVERY_MS : UNSEEN_WORDS_EVERY_MS;
      const dueInMs = everyMs - (performance.now() - toldAtMs);
      if (dueInMs <= 0 && mayTellInThisFrame()) tellNow();
      else timer ??= setTimeout(tellNow, Math.max(0, dueInMs) + WORDS_LATE_MS);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [track]);
}

let toldFrame: CSSNumberish | null = null;
let toldInFrame = 0;

function mayTellInThisFrame(): boolean {
  const frame = document.timeline.currentTime;
  if (frame !== toldFrame) toldInFrame = 0;
  toldFrame = frame;
  return ++toldInFrame <= WORDS_PER_FRAME;
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

/** What the marks mean, in words. Always one line high. */
function Key(props: {
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

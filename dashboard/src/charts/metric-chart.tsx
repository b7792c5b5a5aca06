import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import type { SeriesAnswer } from "../../../platform/history.ts";
import { formatInstant, formatNumber, formatValue, NO_VALUE, type Zone } from "../lib/format.ts";
import { medianIntervalUs, type Span } from "../lib/ranges.ts";
import { describeRule, type RuleView } from "../lib/rules.ts";
import { lowerBound, type SeriesView } from "../lib/series-buffer.ts";
import type { AlertSpan } from "../lib/spans.ts";
import { useVisible } from "../lib/visible.ts";
import type { DeviceDetail, MetricTrack, WindowTrack } from "../store/device-detail.ts";
import type { ThresholdLine, WindowBox } from "./overlays.ts";
import { usePalette } from "./palette.ts";
import { createPlot, type PlotState } from "./plot.ts";
import { axisRange, type Extent, extentOf } from "./scale.ts";

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

interface Picture {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly extent: Extent | undefined;
  readonly average: number | undefined;
  readonly last: number | undefined;
  readonly usualStepUs: number | undefined;
}

const WORDS_EVERY_MS = 500;

/** One metric as a live line, with its rules' thresholds and windows, and the alerts it caused. */
export function MetricChart(props: MetricChartProps): JSX.Element {
  const { detail, track, zone, rules, spans, span } = props;
  const place = useRef<HTMLDivElement>(null);
  const card = useRef<HTMLElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
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
  // The time axis is looked at, not listened to: charts take their turns to draw (see the store).
  const toUs = () => span?.toUs ?? detail.newestUs.peek();
  const fromUs = () => span?.fromUs ?? toUs() - props.rangeUs;
  const lookAtPoints = () => pictureOf(span === undefined ? track.points.view() : pastView(track), fromUs(), toUs());
  const lookAtWindows = () => windowBoxes(props.windows, windowRule, fromUs());

  function show(): void {
    if (plot.current === undefined) return;
    const picture = lookAtPoints();
    const boxes = lookAtWindows();
    state.current.xRange = [fromUs() / 1000, toUs() / 1000];
    state.current.yRange = axisRange(withBoxes(picture.extent, boxes), thresholds);
    state.current.usualStepMs = picture.usualStepUs === undefined ? undefined : picture.usualStepUs / 1000;
    state.current.overlays = {
      thresholds,
      spans,
      windows: boxes,
      spread: spreadOf(span === undefined ? track.history() : track.past(), fromUs()),
    };
    plot.current.setData([picture.x, picture.y]);
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
    plot.current = made;
    latest.current();
    const observer = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: element.clientHeight });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [palette, zone]);
  useEffect(() => {
    if (visible) latest.current();
  }, [visible, span, props.rangeUs, props.windows, windowRule, thresholds, spans]);
  const seen = useRef(visible);
  seen.current = visible;
  useCalmly(track, () => {
    if (seen.current) latest.current();
  });

  const picture = lookAtPoints();
  const hovered = cursor.value;
  const shownIndex = hovered !== undefined && hovered < picture.x.length ? hovered : undefined;
  const value = shownIndex === undefined ? picture.last : picture.y[shownIndex];
  return (
    <section class="chart" ref={card} data-metric={track.metric} data-points={picture.x.length}>
      <div class="chart-head">
        <h3>{track.metric}</h3>
        <output class="chart-value">{formatValue(value)}</output>
        <span class="chart-when">
          {shownIndex === undefined
            ? span === undefined
              ? "now"
              : "at its end"
            : formatInstant((picture.x[shownIndex] ?? 0) * 1000, zone)}
        </span>
        <Summary picture={picture} />
      </div>
      <div
        class="chart-plot"
        ref={place}
        role="img"
        aria-label={`${track.metric}: now ${formatValue(picture.last)}, lowest ${formatNumber(picture.extent?.low ?? Number.NaN)}, highest ${formatNumber(picture.extent?.high ?? Number.NaN)} in this range`}
      />
      {picture.x.length === 0 && <p class="chart-empty">No readings in this range</p>}
      <Key rules={rules} windowRule={windowRule} boxes={lookAtWindows().length} />
    </section>
  );
}

/** The line follows each reading; words that change faster than they are read are told anew less often. */
function useCalmly(track: MetricTrack, draw: () => void): void {
  const [, tell] = useState(0);
  const latest = useRef(draw);
  latest.current = draw;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let toldAtMs = Number.NEGATIVE_INFINITY;
    const stop = track.version.subscribe(() => {
      latest.current();
      timer ??= setTimeout(
        () => {
          timer = undefined;
          toldAtMs = performance.now();
          tell((count) => count + 1);
        },
        Math.max(0, WORDS_EVERY_MS - (performance.now() - toldAtMs)),
      );
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [track]);
}

function Summary({ picture }: { readonly picture: Picture }): JSX.Element {
  const { extent, average } = picture;
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

/** The rule whose windows are drawn: one that tells their spread, else the first. */
function chooseWindowRule(rules: readonly RuleView[], tracks: readonly WindowTrack[]): RuleView | undefined {
  const drawn = rules.filter((rule) => tracks.some((track) => track.rule === rule.id));
  return drawn.find(hasSpread) ?? drawn[0];
}

function hasSpread(rule: RuleView): boolean {
  return rule.aggregates.includes("min") && rule.aggregates.includes("max");
}

/** The aggregate that is drawn as a line: what the condition looks at, else the middle of the spread. */
function lineAggregate(rule: RuleView): string | undefined {
  if (rule.when === "" && rule.aggregates.includes("avg")) return "avg";
  return rule.aggregates[0];
}

function windowWords(rule: RuleView): string {
  const spread = hasSpread(rule) ? ", min to max" : "";
  return `${lineAggregate(rule) ?? "value"}${spread} over ${rule.window?.text ?? "its window"}`;
}

function pastView(track: MetricTrack): SeriesView {
  const past = track.past();
  return { at: Float64Array.from(past?.atUs ?? []), values: Float64Array.from(past?.avg ?? []) };
}

/** The points in view, and one on either side so that the line runs out of the picture. */
function pictureOf({ at, values }: SeriesView, fromUs: number, toUs: number): Picture {
  const first = lowerBound(at, fromUs);
  const end = lowerBound(at, toUs + 1);
  const from = Math.max(0, first - 1);
  const to = Math.min(at.length, end + 1);
  let sum = 0;
  for (let i = first; i < end; i++) sum += values[i] ?? 0;
  return {
    x: at.slice(from, to).map((us) => us / 1000),
    y: values.slice(from, to),
    extent: extentOf(values, first, end),
    average: end > first ? sum / (end - first) : undefined,
    last: values.at(-1),
    usualStepUs: medianIntervalUs(at.subarray(from, to)),
  };
}

function windowBoxes(tracks: readonly WindowTrack[], rule: RuleView | undefined, fromUs: number): readonly WindowBox[] {
  const track = tracks.find((one) => one.rule === rule?.id);
  const boxes: WindowBox[] = [];
  for (const { startUs, endUs, aggregates } of track?.results ?? []) {
    const value = numberOf(aggregates[(rule && lineAggregate(rule)) ?? "avg"] ?? Object.values(aggregates)[0]);
    // What was taken back has no width, and some aggregates are texts or have no value.
    if (endUs < fromUs || endUs <= startUs || value === undefined) continue;
    boxes.push({
      startMs: startUs / 1000,
      endMs: endUs / 1000,
      value,
      min: numberOf(aggregates.min),
      max: numberOf(aggregates.max),
    });
  }
  return boxes;
}

function numberOf(value: number | string | null | undefined): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function withBoxes(extent: Extent | undefined, boxes: readonly WindowBox[]): Extent | undefined {
  let low = extent?.low ?? Infinity;
  let high = extent?.high ?? -Infinity;
  for (const { value, min, max } of boxes) {
    low = Math.min(low, min ?? value);
    high = Math.max(high, max ?? value);
  }
  return low <= high ? { low, high } : undefined;
}

/** Only where a point stands for many readings is there a spread to show. */
function spreadOf(answer: SeriesAnswer | undefined, fromUs: number): { atMs: number; min: number; max: number }[] {
  if (answer === undefined || !answer.count.some((count) => count > 1)) return [];
  const spread: { atMs: number; min: number; max: number }[] = [];
  for (let i = Math.max(0, lowerBound(answer.atUs, fromUs) - 1); i < answer.atUs.length; i++) {
    spread.push({ atMs: (answer.atUs[i] ?? 0) / 1000, min: answer.min[i] ?? 0, max: answer.max[i] ?? 0 });
  }
  return spread;
}

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { formatInstant, formatNumber, formatValue, NO_VALUE, type Zone } from "../lib/format.ts";
import { medianIntervalUs } from "../lib/ranges.ts";
import { describeRule, type RuleView } from "../lib/rules.ts";
import { lowerBound } from "../lib/series-buffer.ts";
import type { AlertSpan } from "../lib/spans.ts";
import { useVisible } from "../lib/visible.ts";
import type { MetricTrack, WindowTrack } from "../store/device-detail.ts";
import type { ThresholdLine, WindowBox } from "./overlays.ts";
import { usePalette } from "./palette.ts";
import { createPlot, type PlotState } from "./plot.ts";
import { axisRange, type Extent, extentOf } from "./scale.ts";

export interface MetricChartProps {
  readonly track: MetricTrack;
  /** `[fromUs, toUs]` of event time. */
  readonly fromUs: number;
  readonly toUs: number;
  readonly zone: Zone;
  /** Rules that watch this metric. */
  readonly rules: readonly RuleView[];
  readonly spans: readonly AlertSpan[];
  readonly windows: readonly WindowTrack[];
  readonly windowsVersion: number;
}

interface Picture {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly extent: Extent | undefined;
  readonly average: number | undefined;
  readonly last: number | undefined;
  readonly usualStepUs: number | undefined;
}

/** One metric as a live line, with its rules' thresholds and windows, and the alerts it caused. */
export function MetricChart(props: MetricChartProps): JSX.Element {
  const { track, zone, rules, spans } = props;
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
  const version = track.version.value;
  const picture = useMemo(() => pictureOf(track, props.fromUs, props.toUs), [track, version, props.fromUs, props.toUs]);
  const thresholds: readonly ThresholdLine[] = useMemo(
    () => rules.flatMap((rule) => rule.thresholds.map((line) => ({ ...line, severity: rule.severity }))),
    [rules],
  );
  const windowRule = chooseWindowRule(rules, props.windows);
  const boxes = useMemo(
    () => windowBoxes(props.windows, windowRule, props.fromUs),
    [props.windowsVersion, windowRule, props.fromUs],
  );

  function show(): void {
    if (plot.current === undefined) return;
    state.current.xRange = [props.fromUs / 1000, props.toUs / 1000];
    state.current.yRange = axisRange(withBoxes(picture.extent, boxes), thresholds);
    state.current.usualStepMs = picture.usualStepUs === undefined ? undefined : picture.usualStepUs / 1000;
    state.current.overlays = { thresholds, spans, windows: boxes, spread: spreadOf(track, props.fromUs) };
    plot.current.setData([picture.x, picture.y]);
  }
  const latest = useRef(show);
  latest.current = show;

  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) return;
    const onCursor = (index: number | undefined) => {
      cursor.value = index;
    };
    const made = createPlot({ element, state: state.current, palette, zone, onCursor });
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
  }, [visible, picture, boxes, thresholds, spans]);

  const hovered = cursor.value;
  const shownIndex = hovered !== undefined && hovered < picture.x.length ? hovered : undefined;
  const value = shownIndex === undefined ? picture.last : picture.y[shownIndex];
  return (
    <section class="chart" ref={card} data-metric={track.metric} data-points={picture.x.length}>
      <div class="chart-head">
        <h3>{track.metric}</h3>
        <output class="chart-value">{formatValue(value)}</output>
        <span class="chart-when">
          {shownIndex === undefined ? "now" : formatInstant((picture.x[shownIndex] ?? 0) * 1000, zone)}
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
      <Key rules={rules} windowRule={windowRule} boxes={boxes.length} />
    </section>
  );
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

/** The points in view, and one on either side so that the line runs out of the picture. */
function pictureOf(track: MetricTrack, fromUs: number, toUs: number): Picture {
  const { at, values } = track.points.view();
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
    const value = aggregates[(rule && lineAggregate(rule)) ?? "avg"] ?? Object.values(aggregates)[0];
    if (endUs < fromUs || value === undefined) continue;
    boxes.push({
      startMs: startUs / 1000,
      endMs: endUs / 1000,
      value,
      min: aggregates.min,
      max: aggregates.max,
    });
  }
  return boxes;
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
function spreadOf(track: MetricTrack, fromUs: number): { atMs: number; min: number; max: number }[] {
  const answer = track.history();
  if (answer === undefined || !answer.count.some((count) => count > 1)) return [];
  const spread: { atMs: number; min: number; max: number }[] = [];
  for (let i = Math.max(0, lowerBound(answer.atUs, fromUs) - 1); i < answer.atUs.length; i++) {
    spread.push({ atMs: (answer.atUs[i] ?? 0) / 1000, min: answer.min[i] ?? 0, max: answer.max[i] ?? 0 });
  }
  return spread;
}

import type uPlot from "uplot";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import type { Span } from "../lib/ranges.ts";
import type { RuleView } from "../lib/rules.ts";
import { lowerBound, type SeriesView } from "../lib/series-buffer.ts";
import type { AlertSpan } from "../lib/spans.ts";
import { CHART_POINTS, type MetricTrack } from "../store/metric-track.ts";
import type { WindowTrack } from "../store/window-track.ts";
import { LINE_WIDTH, type ThresholdLine } from "./overlays.ts";
import { createCutter, pastView, windowBoxes, withBoxes } from "./picture.ts";
import type { PlotState } from "./plot.ts";
import { axisRange, type Extent, GAP_STEPS } from "./scale.ts";

/** The contents of a chart. */
export interface Scene {
  readonly track: MetricTrack;
  /** The range of the chart while it follows the present. */
  readonly rangeUs: number;
  readonly newestUs: number;
  /** The chosen span of the past; undefined while the chart follows the present. */
  readonly span: Span | undefined;
  readonly thresholds: readonly ThresholdLine[];
  readonly spans: readonly AlertSpan[];
  readonly windows: WindowTrack | undefined;
  readonly windowRule: RuleView | undefined;
}

/** A scene that was drawn. While all of it stays the same, points can be added without a new picture. */
interface Drawn {
  readonly scene: Scene;
  readonly fromUs: number;
  readonly toUs: number;
  /** The readings of the span; undefined while the chart follows the present. */
  readonly past: SeriesAnswer | undefined;
  readonly windowChanges: number;
  readonly rewrites: number;
  extent: Extent | undefined;
  /** The newest point in the picture, and its place in pixels of the canvas. */
  lastUs: number;
  lastX: number;
  lastY: number;
  /** The rows that the line covers in the newest column of pixels. */
  top: number;
  bottom: number;
}

/** The part of the chart library that this file uses. */
export type Canvas = Pick<uPlot, "batch" | "setData" | "valToPos" | "bbox" | "ctx">;

/** Its multiples spread evenly between whole numbers, however many there are. */
const GOLDEN_SHARE = 0.618034;
let made = 0;
/** The time axis moves in steps of this many pixels of the canvas. */
const STEP_PX = 2;

/** What a call of `show` drew, and how many points it has. */
export interface Drawing {
  readonly drew: "all" | "points" | "nothing";
  /** The browser paints them after the script, so the script's own clock does not measure their cost. */
  readonly points: number;
}

/**
 * Draws a plot again only when it looks different. ADR 16.
 *
 * The time axis moves by whole pixels, so the picture stays in place until the next step. Points that arrive in between
 * are added to the line, and many of them change no pixel at all. The result looks exactly like a picture drawn all at
 * once: `live-plot.test.ts` compares the two.
 */
export class LivePlot {
  readonly #plot: Canvas;
  readonly #state: PlotState;
  readonly #color: string;
  readonly #cut = createCutter(CHART_POINTS);
  /** Gives each chart its own moment for a step, so that neighbouring charts do not all step in one frame. */
  readonly #phase = (made++ * GOLDEN_SHARE) % 1;
  #drawn: Drawn | undefined;

  constructor(plot: Canvas, state: PlotState, color: string) {
    this.#plot = plot;
    this.#state = state;
    this.#color = color;
  }

  /** Updates the picture with as little drawing as possible. */
  show(scene: Scene): Drawing {
    const { fromUs, toUs } = spanOf(scene, this.#plot.bbox.width, this.#phase);
    if (this.#drawn !== undefined && isSame(this.#drawn, scene, fromUs, toUs)) {
      const added = scene.span === undefined ? this.#addPoints(this.#drawn, scene) : "nothing";
      if (added !== undefined) return { drew: added, points: 0 };
    }
    return { drew: "all", points: this.#drawAll(scene, fromUs, toUs) };
  }

  /** The picture is gone or has another size: the next `show` draws all of it. */
  forget(): void {
    this.#drawn = undefined;
  }

  #drawAll(scene: Scene, fromUs: number, toUs: number): number {
    const { track, thresholds, spans, windows, windowRule } = scene;
    const state = this.#state;
    const past = pastOf(scene);
    const view = scene.span === undefined ? track.points.view() : pastView(past);
    const { x, y, low, high, counts, extent, usualStepUs } = this.#cut(view, fromUs, toUs);
    const boxes = windowBoxes(windows, windowRule, fromUs);
    state.xRange = [fromUs / 1000, toUs / 1000];
    state.yRange = axisRange(withBoxes(extent, boxes), thresholds);
    state.usualStepMs = usualStepUs === undefined ? undefined : usualStepUs / 1000;
    state.overlays = { thresholds, spans, windows: boxes, spread: { low, high, counts } };
    this.#plot.batch(() => this.#plot.setData([x, y]));
    const lastX = pixel(this.#plot, x.at(-1) ?? Number.NaN, "x");
    const lastY = pixel(this.#plot, y.at(-1) ?? Number.NaN, "y");
    this.#drawn = {
      scene,
      fromUs,
      toUs,
      past,
      windowChanges: windows?.changes() ?? 0,
      rewrites: track.points.rewrites,
      extent: withBoxes(extent, boxes),
      lastUs: (x.at(-1) ?? Number.NaN) * 1000,
      lastX,
      lastY,
      top: lastY,
      bottom: lastY,
    };
    return x.length * (counts.some((count) => count > 1) ? 2 : 1);
  }

  /** Undefined if the new points need a new picture. */
  #addPoints(before: Drawn, scene: Scene): "points" | "nothing" | undefined {
    const { at, values } = scene.track.points.view();
    const first = lowerBound(at, before.lastUs + 0.5);
    if (first >= at.length) return "nothing";
    // The very first points, or the first after the buffer dropped more than a step.
    if (first === 0) return undefined;
    const { usualStepMs, yRange } = this.#state;
    const gapUs = usualStepMs === undefined ? Infinity : usualStepMs * 1000 * GAP_STEPS;
    let { low, high } = before.extent ?? { low: Infinity, high: -Infinity };
    let previousUs = before.lastUs;
    for (let i = first; i < at.length; i++) {
      const value = values[i] ?? Number.NaN;
      if (!(value >= low)) low = value;
      if (!(value <= high)) high = value;
      if ((at[i] ?? 0) - previousUs > gapUs) return undefined;
      previousUs = at[i] ?? 0;
    }
    if (low !== before.extent?.low || high !== before.extent.high) {
      const [bottom, top] = axisRange({ low, high }, scene.thresholds);
      if (bottom !== yRange[0] || top !== yRange[1]) return undefined;
      before.extent = { low, high };
    }
    return this.#extendLine(before, { at, values }, first);
  }

  #extendLine(
    before: Drawn,
    { at, values }: Pick<SeriesView, "at" | "values">,
    first: number,
  ): "points" | "nothing" | undefined {
    const line: number[] = [before.lastX, before.lastY];
    let visible = false;
    for (let i = first; i < at.length; i++) {
      const x = pixel(this.#plot, (at[i] ?? 0) / 1000, "x");
      const y = pixel(this.#plot, values[i] ?? Number.NaN, "y");
      if (!Number.isFinite(x + y)) return undefined;
      if (x !== before.lastX) {
        visible = true;
        before.top = Math.min(before.lastY, y);
        before.bottom = Math.max(before.lastY, y);
      } else if (y < before.top || y > before.bottom) {
        visible = true;
        before.top = Math.min(before.top, y);
        before.bottom = Math.max(before.bottom, y);
      }
      line.push(x, y);
      before.lastX = x;
      before.lastY = y;
      before.lastUs = at[i] ?? 0;
    }
    if (visible) strokeLine(this.#plot, line, this.#color);
    return visible ? "points" : "nothing";
  }
}

/**
 * Where the axis begins and ends. While it follows the present, it ends on a whole step at or after the newest
 * reading.
 */
export function spanOf(
  { span, rangeUs, newestUs }: Pick<Scene, "span" | "rangeUs" | "newestUs">,
  widthPx: number,
  phase: number,
): Span {
  if (span !== undefined) return span;
  const stepUs = (rangeUs * STEP_PX) / Math.max(widthPx, 1);
  const toUs = (Math.ceil(newestUs / stepUs - phase) + phase) * stepUs;
  return { fromUs: toUs - rangeUs, toUs };
}

function pastOf({ span, track }: Scene): SeriesAnswer | undefined {
  return span === undefined ? undefined : track.past();
}

function isSame(drawn: Drawn, scene: Scene, fromUs: number, toUs: number): boolean {
  const before = drawn.scene;
  return (
    drawn.fromUs === fromUs &&
    drawn.toUs === toUs &&
    drawn.past === pastOf(scene) &&
    drawn.windowChanges === (scene.windows?.changes() ?? 0) &&
    drawn.rewrites === scene.track.points.rewrites &&
    before.track === scene.track &&
    before.thresholds === scene.thresholds &&
    before.spans === scene.spans &&
    before.windows === scene.windows &&
    before.windowRule === scene.windowRule
  );
}

/** Rounds like the chart library, so that added points continue its line. */
function pixel(plot: Canvas, value: number, scale: "x" | "y"): number {
  return Math.round(plot.valToPos(value, scale, true));
}

function strokeLine(plot: Canvas, line: readonly number[], color: string): void {
  const context = plot.ctx;
  const { left, top, width, height } = plot.bbox;
  const lineWidth = LINE_WIDTH * devicePixelRatio;
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  const middle = (lineWidth % 2) / 2;
  context.translate(middle, middle);
  context.beginPath();
  for (let i = 0; i < line.length; i += 2) context.lineTo(line[i] ?? 0, line[i + 1] ?? 0);
  context.lineWidth = lineWidth;
  context.lineJoin = "round";
  context.strokeStyle = color;
  context.stroke();
  context.restore();
}

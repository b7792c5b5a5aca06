import type uPlot from "uplot";
import type { Severity } from "../../../domain/alert.ts";
import type { Threshold } from "../lib/condition.ts";
import { formatNumber } from "../lib/format.ts";
import type { AlertSpan } from "../lib/spans.ts";
import { createColumns, isDense, type PixelColumns } from "./dense.ts";
import type { Palette } from "./palette.ts";
import { GAP_STEPS } from "./scale.ts";

export interface ThresholdLine extends Threshold {
  readonly severity: Severity;
}

/**
 * A window: its span and the value that its rule evaluates. If the rule computes them, also its lowest and highest
 * value.
 */
export interface WindowBox {
  readonly startMs: number;
  readonly endMs: number;
  readonly value: number;
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/** The lowest and the highest reading behind each drawn point, in the order of the points. */
export interface Spread {
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** How many readings each point sums up. */
  readonly counts: Float64Array;
}

/** Everything below and above the line of readings. Drawn by hand, because windows and alerts are spans, not points. */
export interface Overlays {
  readonly thresholds: readonly ThresholdLine[];
  readonly spans: readonly AlertSpan[];
  readonly windows: readonly WindowBox[];
  readonly spread: Spread;
}

export const NO_OVERLAYS: Overlays = {
  thresholds: [],
  spans: [],
  windows: [],
  spread: { low: new Float64Array(), high: new Float64Array(), counts: new Float64Array() },
};

interface Drawn {
  readonly overlays: Overlays;
  readonly usualStepMs: number | undefined;
}

export const LINE_WIDTH = 1.75;

interface Plot {
  readonly u: uPlot;
  readonly context: CanvasRenderingContext2D;
  readonly palette: Palette;
  readonly ratio: number;
  x(atMs: number): number;
  y(value: number): number;
}

export function drawBelow(u: uPlot, { overlays, usualStepMs }: Drawn, palette: Palette): void {
  inPlot(u, palette, (plot) => {
    for (const span of overlays.spans) drawSpan(plot, span);
    drawSpread(plot, overlays.spread, usualStepMs);
    for (const box of overlays.windows) drawWindow(plot, box);
  });
}

export function drawAbove(u: uPlot, overlays: Overlays, palette: Palette): void {
  inPlot(u, palette, (plot) => {
    for (const line of overlays.thresholds) drawThreshold(plot, line);
  });
}

function inPlot(u: uPlot, palette: Palette, draw: (plot: Plot) => void): void {
  const context = u.ctx;
  const { left, top, width, height } = u.bbox;
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  draw({
    u,
    context,
    palette,
    ratio: devicePixelRatio,
    x: (atMs) => Math.min(Math.max(u.valToPos(atMs, "x", true), left - 10), left + width + 10),
    y: (value) => u.valToPos(value, "y", true),
  });
  context.restore();
}

function drawSpan({ u, context, palette, ratio, x }: Plot, span: AlertSpan): void {
  const { top, height, left, width } = u.bbox;
  const end = span.endUs === undefined ? left + width : x(span.endUs / 1000);
  const start = x(span.activeUs / 1000);
  const fired = span.firingUs === undefined ? end : x(span.firingUs / 1000);
  const color = palette.severity[span.severity];
  if (fired > start) {
    context.fillStyle = color;
    context.globalAlpha = 0.45;
    for (let dash = start; dash < fired; dash += 6 * ratio) {
      context.fillRect(dash, top, Math.min(3 * ratio, fired - dash), 3 * ratio);
    }
    context.globalAlpha = 1;
  }
  if (span.firingUs === undefined || end <= fired) return;
  context.globalAlpha = 0.7;
  context.fillStyle = palette.severitySoft[span.severity];
  context.fillRect(fired, top, end - fired, height);
  context.globalAlpha = 1;
  context.fillStyle = color;
  context.fillRect(fired, top, end - fired, 3 * ratio);
}

/** Draws a line with more points than pixels. The chart library draws other lines. */
export function drawDenseLine(u: uPlot, usualStepMs: number | undefined, palette: Palette): void {
  const [at, values] = u.data;
  if (values === undefined || !isDense(at.length - 1, u.bbox.width)) return;
  inPlot(u, palette, ({ context, ratio }) => {
    const columns = createColumns(u.bbox.left, u.bbox.width);
    const gapMs = usualStepMs === undefined ? Infinity : usualStepMs * GAP_STEPS;
    let beforeMs = Number.NaN;
    let beforeX = 0;
    let beforeY = 0;
    for (let i = 0; i < at.length; i++) {
      const atMs = at[i] ?? 0;
      const x = Math.round(u.valToPos(atMs, "x", true));
      const y = Math.round(u.valToPos(values[i] ?? Number.NaN, "y", true));
      if (atMs - beforeMs <= gapMs) columns.line(beforeX, beforeY, x, y);
      beforeMs = atMs;
      beforeX = x;
      beforeY = y;
    }
    const width = Math.round(LINE_WIDTH * ratio);
    context.fillStyle = palette.line;
    fillColumns(context, columns, { width, height: width });
  });
}

const DOT_RADIUS = 3;

/** A reading without neighbours has no line: for example the first of a device. */
export function drawLonePoints(u: uPlot, usualStepMs: number | undefined, palette: Palette): void {
  const [at, values] = u.data;
  const { left, width } = u.bbox;
  const gapMs = usualStepMs === undefined ? Infinity : usualStepMs * GAP_STEPS;
  const isGap = (before: number | undefined, after: number | undefined) => {
    return before === undefined || after === undefined || after - before > gapMs;
  };
  // Without clipping, because the newest reading is at the edge of the picture.
  u.ctx.fillStyle = palette.line;
  for (let i = 0; i < at.length; i++) {
    if (!isGap(at[i - 1], at[i]) || !isGap(at[i], at[i + 1])) continue;
    const x = u.valToPos(at[i] ?? Number.NaN, "x", true);
    const y = u.valToPos(values?.[i] ?? Number.NaN, "y", true);
    if (!(x >= left && x <= left + width && Number.isFinite(y))) continue;
    u.ctx.beginPath();
    u.ctx.arc(x, y, DOT_RADIUS * devicePixelRatio, 0, 2 * Math.PI);
    u.ctx.fill();
  }
}

function fillColumns(
  context: CanvasRenderingContext2D,
  columns: PixelColumns,
  more: { readonly width: number; readonly height: number },
): void {
  context.beginPath();
  columns.path(more, (left, top, width, height) => context.rect(left, top, width, height));
  context.fill();
}

/** Fills from the lowest to the highest reading of each point, up to the next point. */
function drawSpread({ u, context, palette, ratio, x, y }: Plot, spread: Spread, usualStepMs = 0): void {
  const { low, high, counts } = spread;
  if (!counts.some((count) => count > 1)) return;
  const at = u.data[0];
  const columns = createColumns(u.bbox.left, u.bbox.width);
  for (let i = 0; i < counts.length; i++) {
    if ((counts[i] ?? 0) <= 1) continue;
    const atMs = at[i] ?? 0;
    const nextMs = Math.min(at[i + 1] ?? Infinity, atMs + usualStepMs);
    const left = Math.round(x(atMs));
    const right = Math.max(Math.round(x(nextMs)), left + Math.ceil(ratio));
    const [top, bottom] = [y(high[i] ?? Number.NaN), y(low[i] ?? Number.NaN)];
    for (let column = left; column < right; column++) columns.cover(column, top, bottom);
  }
  // A single excursion is one pixel wide, and must still catch the eye.
  context.globalAlpha = 0.45;
  context.fillStyle = palette.line;
  fillColumns(context, columns, { width: Math.ceil(ratio), height: Math.ceil(ratio) });
  context.globalAlpha = 1;
}

function drawWindow({ context, palette, ratio, x, y }: Plot, box: WindowBox): void {
  const start = x(box.startMs);
  const width = Math.max(x(box.endMs) - start, ratio);
  if (box.min !== undefined && box.max !== undefined) {
    context.globalAlpha = 0.13;
    context.fillStyle = palette.window;
    const top = y(box.max);
    // A hairline between neighbours.
    context.fillRect(start + ratio / 2, top, Math.max(width - ratio, ratio), Math.max(y(box.min) - top, ratio));
    context.globalAlpha = 1;
  }
  context.strokeStyle = palette.window;
  context.lineWidth = 2 * ratio;
  context.beginPath();
  context.moveTo(start, y(box.value));
  context.lineTo(start + width, y(box.value));
  context.stroke();
}

function drawThreshold({ u, context, palette, ratio, y }: Plot, line: ThresholdLine): void {
  const { left, top, width, height } = u.bbox;
  const color = palette.severity[line.severity];
  const at = y(line.value);
  const text = `${line.alertSide === "above" ? ">" : "<"} ${formatNumber(line.value)} ${line.severity}`;
  context.font = palette.font.replace("12px", `${11 * ratio}px`);
  context.textBaseline = "middle";
  const above = at < top;
  const outside = above || at > top + height;
  if (!outside) {
    context.strokeStyle = color;
    context.lineWidth = ratio;
    context.setLineDash([6 * ratio, 4 * ratio]);
    context.beginPath();
    context.moveTo(left, at);
    context.lineTo(left + width, at);
    context.stroke();
    context.setLineDash([]);
  }
  // A threshold outside the picture has a label at the edge, with an arrow.
  const label = outside ? `${text} ${above ? "↑" : "↓"}` : text;
  const middle = outside ? (above ? top + 12 * ratio : top + height - 10 * ratio) : labelMiddle(at, top, ratio);
  // A halo keeps the words readable and the line behind them visible.
  context.textAlign = "left";
  context.lineJoin = "round";
  context.lineWidth = 4 * ratio;
  context.strokeStyle = palette.surface;
  context.strokeText(label, left + 8 * ratio, middle);
  context.fillStyle = color;
  context.fillText(label, left + 8 * ratio, middle);
}

/** Above its line, unless there is no room in the picture. */
function labelMiddle(at: number, top: number, ratio: number): number {
  return at - 9 * ratio < top + 8 * ratio ? at + 9 * ratio : at - 9 * ratio;
}

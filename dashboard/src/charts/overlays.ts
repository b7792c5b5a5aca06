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

export interface SpreadPoint {
  readonly atMs: number;
  readonly min: number;
  readonly max: number;
}

/** Everything below and above the line of readings. Drawn by hand, because windows and alerts are spans, not points. */
export interface Overlays {
  readonly thresholds: readonly ThresholdLine[];
  readonly spans: readonly AlertSpan[];
  readonly windows: readonly WindowBox[];
  readonly spread: readonly SpreadPoint[];
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

export function drawBelow(u: uPlot, overlays: Overlays, palette: Palette): void {
  inPlot(u, palette, (plot) => {
    for (const span of overlays.spans) drawSpan(plot, span);
    drawSpread(plot, overlays.spread);
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

function fillColumns(
  context: CanvasRenderingContext2D,
  columns: PixelColumns,
  more: { readonly width: number; readonly height: number },
): void {
  context.beginPath();
  columns.path(more, (left, top, width, height) => context.rect(left, top, width, height));
  context.fill();
}

function drawSpread({ u, context, palette, x, y }: Plot, spread: readonly SpreadPoint[]): void {
  if (spread.length < 2) return;
  context.fillStyle = palette.lineSoft;
  if (isDense(spread.length, u.bbox.width)) {
    const columns = createColumns(u.bbox.left, u.bbox.width);
    for (const point of spread) columns.cover(x(point.atMs), y(point.max), y(point.min));
    fillColumns(context, columns, { width: 1, height: 0 });
    return;
  }
  context.beginPath();
  for (const point of spread) context.lineTo(x(point.atMs), y(point.max));
  for (const point of spread.toReversed()) context.lineTo(x(point.atMs), y(point.min));
  context.closePath();
  context.fill();
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

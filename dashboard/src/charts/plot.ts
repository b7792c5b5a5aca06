import uPlot from "uplot";
import { formatClock, formatNumber, formatTime, type Zone } from "../lib/format.ts";
import { isDense } from "./dense.ts";
import { drawAbove, drawBelow, drawDenseLine, drawLonePoints, LINE_WIDTH, type Overlays } from "./overlays.ts";
import type { Palette } from "./palette.ts";
import { findGaps } from "./scale.ts";

/** What the chart shows now. */
export interface PlotState {
  xRange: [number, number];
  yRange: [number, number];
  usualStepMs: number | undefined;
  overlays: Overlays;
}

const DAY_MS = 86_400_000;
const linear = uPlot.paths.linear?.() ?? (() => null);

export interface PlotOptions {
  readonly element: HTMLElement;
  readonly state: PlotState;
  readonly palette: Palette;
  readonly zone: Zone;
  onCursor(index: number | undefined): void;
  /** A person dragged across this span. */
  onSelect(fromMs: number, toMs: number): void;
}

/** A uPlot chart of one series. Its scales and overlays come from `state`, which the owner keeps up to date. */
export function createPlot(options: PlotOptions): uPlot {
  const { element, state, palette, zone } = options;
  const look: uPlot.Options = {
    width: element.clientWidth,
    height: element.clientHeight,
    ms: 1,
    padding: [8, 22, 0, 0],
    tzDate: (ms) => (zone === "utc" ? uPlot.tzDate(new Date(ms), "Etc/UTC") : new Date(ms)),
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false, dist: 8 },
      sync: { key: "device", setSeries: false },
      points: { size: 8, fill: palette.line, stroke: palette.surface, width: 2 },
    },
    scales: {
      x: { time: true, range: () => state.xRange },
      y: { range: () => state.yRange },
    },
    axes: axesOf(palette, zone),
    series: [{}, lineOf(palette, state)],
    hooks: hooksOf(options),
  };
  return new uPlot(look, [[], []], element);
}

function axesOf(palette: Palette, zone: Zone): uPlot.Axis[] {
  const axis: uPlot.Axis = {
    stroke: palette.muted,
    font: palette.font,
    grid: { stroke: palette.grid, width: 1 },
    ticks: { show: false },
  };
  return [
    {
      ...axis,
      size: 28,
      space: 84,
      values: (_, splits, __, ___, step) => splits.map((ms) => timeLabel(ms, step, zone)),
    },
    { ...axis, size: 56, space: 36, values: (_, splits) => splits.map(formatNumber) },
  ];
}

function lineOf(palette: Palette, state: PlotState): uPlot.Series {
  return {
    stroke: palette.line,
    width: LINE_WIDTH,
    points: { show: false },
    // The hook below draws dense lines.
    paths: (u, series, from, to) => (isDense(u.data[0].length - 1, u.bbox.width) ? null : linear(u, series, from, to)),
    gaps: (u, _, from, to, gaps) => {
      for (const [before, after] of findGaps(u.data[0], state.usualStepMs, from, to)) {
        const xOf = (index: number) => Math.round(u.valToPos(u.data[0][index] ?? 0, "x", true));
        gaps.push([xOf(before), xOf(after)]);
      }
      return gaps;
    },
  };
}

function hooksOf({ state, palette, onCursor, onSelect }: PlotOptions): uPlot.Hooks.Arrays {
  return {
    drawClear: [(u) => drawBelow(u, state, palette)],
    drawSeries: [(u) => drawDenseLine(u, state.usualStepMs, palette)],
    draw: [(u) => drawLonePoints(u, state.usualStepMs, palette), (u) => drawAbove(u, state.overlays, palette)],
    setCursor: [(u) => onCursor(u.cursor.idx ?? undefined)],
    setSelect: [
      (u) => {
        const { left, width } = u.select;
        if (width < 1) return;
        onSelect(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      },
    ],
  };
}

/** The date at midnight, otherwise the time, with seconds for short steps. */
function timeLabel(ms: number, stepMs: number, zone: Zone): string {
  const clock = formatClock(ms * 1000, zone);
  if (stepMs >= DAY_MS || clock === "00:00") return dayLabel(ms, zone);
  return stepMs < 60_000 ? formatTime(ms * 1000, zone) : clock;
}

const days = { local: dayFormat(undefined), utc: dayFormat("UTC") };

function dayFormat(timeZone: string | undefined): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat("en-GB", {
    day: "numeric",
    month: "short",
    ...(timeZone === undefined ? {} : { timeZone }),
  });
}

function dayLabel(ms: number, zone: Zone): string {
  return days[zone].format(ms);
}

import { signal } from "@preact/signals";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import type { WindowResult } from "../../../domain/window-result.ts";
import { SeriesBuffer } from "../lib/series-buffer.ts";
import { StateRuns } from "../lib/state-runs.ts";
import { type Canvas, LivePlot, type Scene, spanOf } from "./live-plot.ts";
import { NO_OVERLAYS } from "./overlays.ts";
import type { PlotState } from "./plot.ts";

const WIDTH = 100;
const HEIGHT = 80;
const STEP_US = 1_000_000;

beforeAll(() => {
  vi.stubGlobal("devicePixelRatio", 1);
});
afterAll(() => {
  vi.unstubAllGlobals();
});

/** A canvas that records the pixels of its lines: the columns of vertical lines, and other lines as they are. */
function createCanvas() {
  const state: PlotState = {
    xRange: [0, 1],
    yRange: [0, 1],
    usualStepMs: undefined,
    overlays: NO_OVERLAYS,
  };
  const columns = new Map<number, [top: number, bottom: number]>();
  const slanted = new Set<string>();
  let pen: [number, number] | undefined;
  function lineTo(x: number, y: number): void {
    const [fromX, fromY] = pen ?? [x, y];
    if (fromX !== x) slanted.add([fromX, fromY, x, y].join());
    for (const [atX, atY] of [
      [fromX, fromY],
      [x, y],
    ] as const) {
      const [top, bottom] = columns.get(atX) ?? [atY, atY];
      columns.set(atX, [Math.min(top, atY), Math.max(bottom, atY)]);
    }
    pen = [x, y];
  }
  const valToPos = (value: number, scale: string) => {
    const [low, high] = scale === "x" ? state.xRange : state.yRange;
    const share = (value - low) / (high - low);
    return scale === "x" ? share * WIDTH : (1 - share) * HEIGHT;
  };
  const context = { save() {}, restore() {}, rect() {}, clip() {}, translate() {}, stroke() {}, lineTo };
  const canvas = {
    bbox: { left: 0, top: 0, width: WIDTH, height: HEIGHT },
    ctx: Object.assign(context, { beginPath: () => (pen = undefined), lineWidth: 1, lineJoin: "", strokeStyle: "" }),
    valToPos,
    batch: (draw: () => void) => draw(),
    setData([x, y]: readonly [Float64Array, Float64Array]) {
      columns.clear();
      slanted.clear();
      pen = undefined;
      x.forEach((ms, index) => {
        lineTo(Math.round(valToPos(ms, "x")), Math.round(valToPos(y[index] ?? 0, "y")));
      });
    },
  };
  // It has only the canvas methods that are called here.
  return { canvas: canvas as unknown as Canvas, state, picture: () => ({ columns: [...columns].sort(), slanted }) };
}

function createScene(points: SeriesBuffer, more: Partial<Scene> = {}): Scene {
  const answer: SeriesAnswer | undefined = undefined;
  return {
    track: {
      metric: "t",
      kind: "number",
      version: signal(0),
      points,
      past: () => answer,
      states: new StateRuns(),
    },
    rangeUs: WIDTH * STEP_US,
    newestUs: points.newest,
    span: undefined,
    thresholds: [],
    spans: [],
    windows: undefined,
    windowRule: undefined,
    ...more,
  };
}

test("points added one by one look like all points drawn at once", () => {
  const walk = fc.array(
    fc.record({ afterUs: fc.integer({ min: 1, max: 900_000 }), by: fc.double({ min: -4, max: 4, noNaN: true }) }),
    {
      minLength: 2,
      maxLength: 400,
    },
  );
  const drawn = new Set<string>();
  fc.assert(
    fc.property(walk, fc.integer({ min: 1, max: 7 }), (steps, perFrame) => {
      const points = new SeriesBuffer(1_000);
      const live = createCanvas();
      const plot = new LivePlot(live.canvas, live.state, "red");
      const first = createScene(points);
      const scene = () => ({ ...first, newestUs: points.newest });
      let [atUs, value] = [50 * STEP_US, 0];
      steps.forEach(({ afterUs, by }, index) => {
        atUs += afterUs;
        value += by;
        points.push(atUs, value);
        if (index % perFrame === 0 || index === steps.length - 1) drawn.add(plot.show(scene()).drew);
      });
      // Drawn again on the same axes.
      const added = live.picture();
      const ranges = JSON.stringify([live.state.xRange, live.state.yRange]);
      const before = { columns: [...added.columns], slanted: new Set(added.slanted) };
      plot.forget();
      plot.show(scene());
      expect(JSON.stringify([live.state.xRange, live.state.yRange])).toBe(ranges);
      expect(before).toEqual(live.picture());
    }),
  );
  expect([...drawn].sort()).toEqual(["all", "nothing", "points"]);
});

test("readings at 10 Hz need a new picture every two pixels, not every reading", () => {
  const points = new SeriesBuffer(10_000);
  const { canvas, state } = createCanvas();
  const plot = new LivePlot(canvas, state, "red");
  const scene = createScene(points);
  const drawn = { all: 0, points: 0, nothing: 0 };
  for (let i = 0; i < 6_000; i++) {
    points.push(i * 100_000, 50 + 20 * Math.sin(i / 30));
    drawn[plot.show({ ...scene, newestUs: points.newest }).drew]++;
  }
  // Six hundred pixels, and a few new scales at the start.
  expect(drawn.all).toBeLessThan(320);
  expect(drawn.all).toBeGreaterThanOrEqual(300);
  expect(drawn.nothing).toBeGreaterThan(1_000);
});

function after(atUs: number, value: number) {
  return (scene: Scene): Scene => {
    scene.track.points.push(atUs, value);
    return scene;
  };
}

test.each<[string, (scene: Scene) => Scene, "all" | "points" | "nothing"]>([
  ["nothing new", (scene) => scene, "nothing"],
  ["a point after the others", after(3_100_000, 2), "points"],
  ["a late point", after(1_500_000, 7), "all"],
  ["a point with another value", after(2_000_000, 7), "all"],
  ["a point beyond the scale", after(3_100_000, 700), "all"],
  ["a point after a gap", after(40_000_000, 2), "all"],
  ["another threshold", (scene) => ({ ...scene, thresholds: [] }), "all"],
  ["another alert", (scene) => ({ ...scene, spans: [] }), "all"],
  ["a span of the past", (scene) => ({ ...scene, span: { fromUs: 0, toUs: 5 } }), "all"],
  ["another range", (scene) => ({ ...scene, rangeUs: 2 * scene.rangeUs }), "all"],
  ["the axis by a step, without points", (scene) => ({ ...scene, newestUs: scene.newestUs + 2 * STEP_US }), "all"],
])("%s", (_, change, expected) => {
  const points = new SeriesBuffer(100);
  for (const atUs of [1, 2, 3]) points.push(atUs * 1_000_000, atUs);
  const { canvas, state } = createCanvas();
  const plot = new LivePlot(canvas, state, "red");
  const scene = createScene(points);
  expect(plot.show(scene).drew).toBe("all");
  expect(plot.show(change(scene)).drew).toBe(expected);
});

test("draws a window's result when it changes", () => {
  const points = new SeriesBuffer(100);
  for (const atUs of [1, 2, 3]) points.push(atUs * 1_000_000, atUs);
  const { canvas, state } = createCanvas();
  const plot = new LivePlot(canvas, state, "red");
  const results: WindowResult[] = [];
  let changed = 0;
  const scene = createScene(points, { windows: { rule: "r", metric: "t", results, changes: () => changed } });
  plot.show(scene);
  expect(plot.show(scene).drew).toBe("nothing");
  results.push({ rule: "r", labels: {}, startUs: 0, endUs: 2_000_000, revision: 0, aggregates: { avg: 2 } });
  changed++;
  expect(plot.show(scene).drew).toBe("all");
  expect(state.overlays.windows).toEqual([{ startMs: 0, endMs: 2_000, value: 2, min: undefined, max: undefined }]);
});

test("the axis ends less than two pixels after the newest reading, and never before it", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2e15 }),
      fc.integer({ min: 1, max: 4_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (newestUs, widthPx, phase) => {
        const rangeUs = 900_000_000;
        const { fromUs, toUs } = spanOf({ span: undefined, rangeUs, newestUs }, widthPx, phase);
        expect(toUs).toBeGreaterThanOrEqual(newestUs - 1);
        expect(toUs - newestUs).toBeLessThanOrEqual((2 * rangeUs) / widthPx + 1);
        expect(toUs - fromUs).toBeCloseTo(rangeUs, 0);
      },
    ),
  );
});

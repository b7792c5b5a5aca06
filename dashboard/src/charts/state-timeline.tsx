import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Span } from "../lib/ranges.ts";
import { type Run, runAt } from "../lib/state-runs.ts";
import type { MetricTrack } from "../store/metric-track.ts";
import { type Palette, usePalette } from "./palette.ts";

const LABEL_PADDING_PX = 8;

/** The states of a metric over time: each state is a block up to the next one, with its value if there is room. */
export function StateTimeline(props: {
  readonly states: MetricTrack["states"];
  readonly span: Span;
  /** The number of the color of a value; -1 for none. */
  readonly colorOf: (word: string) => number;
  readonly label: string;
  /** The run under the pointer; undefined when there is none. */
  onHover(run: number | undefined): void;
}): JSX.Element {
  const { span, label, onHover } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const palette = usePalette();

  function draw(): void {
    if (canvas.current !== null) drawStates(canvas.current, props, palette);
  }
  const latest = useRef(draw);
  latest.current = draw;
  useLayoutEffect(() => latest.current());
  useEffect(() => {
    if (canvas.current === null) return;
    const observer = new ResizeObserver(() => latest.current());
    observer.observe(canvas.current);
    return () => observer.disconnect();
  }, []);
  function hover({ offsetX, currentTarget }: JSX.TargetedPointerEvent<HTMLCanvasElement>): void {
    const atUs = span.fromUs + (offsetX / currentTarget.clientWidth) * (span.toUs - span.fromUs);
    const index = runAt(props.states.runs, atUs);
    onHover(index === -1 ? undefined : index);
  }
  return (
    <canvas
      ref={canvas}
      class="state-timeline"
      role="img"
      aria-label={label}
      onPointerMove={hover}
      onPointerLeave={() => onHover(undefined)}
    />
  );
}

/** The part of the span that each run fills: `[fromUs, toUs)`, in the order of the runs. */
export function blocksOf(
  { runs, beganBefore }: Pick<MetricTrack["states"], "runs" | "beganBefore">,
  span: Span,
): readonly (Span & { readonly run: Run })[] {
  return runs.flatMap((run, i) => {
    const fromUs = i === 0 && beganBefore ? span.fromUs : Math.max(run.fromUs, span.fromUs);
    const toUs = Math.min(runs[i + 1]?.fromUs ?? span.toUs, span.toUs);
    return fromUs < toUs ? [{ run, fromUs, toUs }] : [];
  });
}

function drawStates(
  canvas: HTMLCanvasElement,
  { states, span, colorOf }: Pick<Parameters<typeof StateTimeline>[0], "states" | "span" | "colorOf">,
  palette: Palette,
): void {
  const { clientWidth, clientHeight } = canvas;
  const ratio = Math.min(devicePixelRatio, 3);
  const context = canvas.getContext("2d");
  if (context === null || clientWidth === 0) return;
  if (canvas.width !== Math.round(clientWidth * ratio)) canvas.width = Math.round(clientWidth * ratio);
  if (canvas.height !== Math.round(clientHeight * ratio)) canvas.height = Math.round(clientHeight * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, clientWidth, clientHeight);
  context.font = palette.font;
  context.textBaseline = "middle";
  const x = (atUs: number) => ((atUs - span.fromUs) / (span.toUs - span.fromUs)) * clientWidth;
  for (const { run, fromUs, toUs } of blocksOf(states, span)) {
    const left = x(fromUs);
    // A short state is at least a pixel wide. A hairline separates neighbours.
    const width = Math.max(x(toUs) - left - 1, 1);
    context.fillStyle = palette.states[colorOf(run.word)] ?? palette.grid;
    context.fillRect(left, 0, width, clientHeight);
    if (width < context.measureText(run.word).width + 2 * LABEL_PADDING_PX) continue;
    context.fillStyle = palette.ink;
    context.fillText(run.word, left + LABEL_PADDING_PX, clientHeight / 2 + 1);
  }
}

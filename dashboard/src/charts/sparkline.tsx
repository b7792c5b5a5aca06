import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { SeriesBuffer } from "../lib/series-buffer.ts";
import { usePalette } from "./palette.ts";

const PADDING = 3;

interface Size {
  readonly width: number;
  readonly height: number;
}

/** A line of the last values, without axes. It draws when `newest` changes. The style sheet sets its size. */
export function Sparkline(props: {
  readonly points: SeriesBuffer | undefined;
  readonly newest: number;
  /** Rates start at zero; values fill the height. */
  readonly fromZero?: boolean;
  readonly color?: string;
}): JSX.Element {
  const { points, newest, fromZero = false } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const palette = usePalette();
  const color = props.color ?? palette.line;

  // From the observer, because reading the size from the element between changes of the page forces a layout.
  const size = useRef<Size>({ width: 0, height: 0 });

  function draw(): void {
    if (canvas.current !== null) drawSparkline(canvas.current, size.current, points, { fromZero, color });
  }
  const latest = useRef(draw);
  latest.current = draw;
  useLayoutEffect(() => latest.current(), [points, points?.length, newest, color, palette]);
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) size.current = entry.contentRect;
      latest.current();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return <canvas ref={canvas} class="sparkline" />;
}

function drawSparkline(
  canvas: HTMLCanvasElement,
  { width, height }: Size,
  points: SeriesBuffer | undefined,
  look: { readonly fromZero: boolean; readonly color: string },
): void {
  const ratio = Math.min(devicePixelRatio, 3);
  const context = canvas.getContext("2d");
  if (context === null || width === 0) return;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (points === undefined || points.length < 2) return;

  const { at, values } = points.view();
  let low = look.fromZero ? 0 : Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const first = at[0] ?? 0;
  const spanAt = Math.max((at.at(-1) ?? 0) - first, 1);
  const flat = high === low;
  const span = flat ? 1 : high - low;
  const x = (index: number) => PADDING + (((at[index] ?? 0) - first) / spanAt) * (width - 2 * PADDING);
  // A flat line is drawn in the middle, except a rate of zero.
  const y = (value: number) => {
    const share = flat ? (look.fromZero && value === 0 ? 0 : 0.5) : (value - low) / span;
    return height - PADDING - share * (height - 2 * PADDING);
  };

  context.beginPath();
  for (let i = 0; i < at.length; i++) context.lineTo(x(i), y(values[i] ?? 0));
  context.lineJoin = "round";
  context.lineCap = "round";
  context.lineWidth = 1.5;
  context.strokeStyle = look.color;
  context.stroke();
  context.lineTo(x(at.length - 1), height);
  context.lineTo(x(0), height);
  context.closePath();
  context.globalAlpha = 0.1;
  context.fillStyle = look.color;
  context.fill();
  context.globalAlpha = 1;

  const end = at.length - 1;
  context.beginPath();
  context.arc(x(end), y(values[end] ?? 0), 2.5, 0, 2 * Math.PI);
  context.fillStyle = look.color;
  context.fill();
}

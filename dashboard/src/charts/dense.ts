/** Rows of pixels from `top` to `bottom` in each column of a canvas. */
export interface PixelColumns {
  /** Covers a line between the middles of two columns, from left to right. */
  line(fromX: number, fromY: number, toX: number, toY: number): void;
  cover(x: number, top: number, bottom: number): void;
  /** Emits one rectangle for each column: `width` wide, and `height` higher than the covered rows. */
  path(
    more: { readonly width: number; readonly height: number },
    rect: (left: number, top: number, width: number, height: number) => void,
  ): void;
}

/**
 * For lines with more points than pixels. Filling one rectangle for each column looks the same as stroking the short
 * lines, and takes a tenth of the time. Numbers are passed without objects around them: with many charts, those would
 * be megabytes each second, and collecting them would hold up the page.
 */
export function createColumns(left: number, width: number): PixelColumns {
  const first = Math.floor(left);
  const count = Math.ceil(width) + 2;
  const tops = new Float64Array(count).fill(Infinity);
  const bottoms = new Float64Array(count).fill(-Infinity);

  function cover(x: number, top: number, bottom: number): void {
    const column = Math.round(x) - first;
    if (column < 0 || column >= count) return;
    tops[column] = Math.min(tops[column] ?? Infinity, top);
    bottoms[column] = Math.max(bottoms[column] ?? -Infinity, bottom);
  }

  return {
    cover,
    line(fromX, fromY, toX, toY) {
      const steps = Math.round(toX) - Math.round(fromX);
      if (steps === 0) {
        cover(fromX, Math.min(fromY, toY), Math.max(fromY, toY));
        return;
      }
      const rise = (toY - fromY) / steps;
      // Skips columns left of the canvas.
      const begin = Math.max(0, first - Math.round(fromX));
      const end = Math.min(steps, first + count - Math.round(fromX));
      for (let step = begin; step <= end; step++) {
        const a = fromY + rise * Math.max(step - 0.5, 0);
        const b = fromY + rise * Math.min(step + 0.5, steps);
        cover(Math.round(fromX) + step, Math.min(a, b), Math.max(a, b));
      }
    },
    path({ width: wide, height: higher }, rect) {
      for (let column = 0; column < count; column++) {
        const top = Math.round(tops[column] ?? Infinity);
        const bottom = Math.round(bottoms[column] ?? -Infinity);
        if (top <= bottom) rect(first + column, top, wide, bottom - top + higher);
      }
    },
  };
}

/** Whether there are more points than pixels. */
export function isDense(points: number, width: number): boolean {
  return points > width;
}

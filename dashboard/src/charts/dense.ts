/** Rows of pixels from `top` to `bottom` in each column of a canvas. */
export interface PixelColumns {
  /** Covers what a line goes over, from the middle of one column to the middle of another on its right. */
  line(from: readonly [x: number, y: number], to: readonly [x: number, y: number]): void;
  cover(x: number, top: number, bottom: number): void;
  /** One rectangle for each column, so wide, and so much higher than what was covered. */
  path(more: {
    readonly width: number;
    readonly height: number;
  }): readonly (readonly [number, number, number, number])[];
}

/**
 * For lines with more points than pixels: to fill a rectangle in each column takes a tenth of the time that it takes to
 * stroke so many short lines, and looks the same.
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
    line([fromX, fromY], [toX, toY]) {
      const steps = Math.round(toX) - Math.round(fromX);
      if (steps === 0) {
        cover(fromX, Math.min(fromY, toY), Math.max(fromY, toY));
        return;
      }
      const yAt = (share: number) => fromY + (toY - fromY) * Math.min(Math.max(share, 0), 1);
      // What lies left of the canvas is not gone through column by column.
      const begin = Math.max(0, first - Math.round(fromX));
      const end = Math.min(steps, first + count - Math.round(fromX));
      for (let step = begin; step <= end; step++) {
        const [a, b] = [yAt((step - 0.5) / steps), yAt((step + 0.5) / steps)];
        cover(Math.round(fromX) + step, Math.min(a, b), Math.max(a, b));
      }
    },
    path({ width: wide, height: higher }) {
      const found: [number, number, number, number][] = [];
      for (let column = 0; column < count; column++) {
        const top = Math.round(tops[column] ?? Infinity);
        const bottom = Math.round(bottoms[column] ?? -Infinity);
        if (top <= bottom) found.push([first + column, top, wide, bottom - top + higher]);
      }
      return found;
    },
  };
}

/** Whether so many points have fewer pixels than one each. */
export function isDense(points: number, width: number): boolean {
  return points > width;
}

import { describe, expect, it } from "vitest";
import { grown } from "./grown.ts";

describe("grown", () => {
  it("is the same column while it is long enough", () => {
    const column = new Float64Array(4);
    expect(grown(column, 4)).toBe(column);
  });

  it("keeps the content and fills new elements", () => {
    expect([...grown(Float64Array.of(1, 2), 3, Number.NEGATIVE_INFINITY)]).toEqual([1, 2, Number.NEGATIVE_INFINITY]);
    expect([...grown(Uint8Array.of(1, 2), 4)]).toEqual([1, 2, 0, 0]);
    expect([...grown(Int32Array.of(7), 2, -1)]).toEqual([7, -1]);
    expect([...grown(Uint32Array.of(4_000_000_000), 2)]).toEqual([4_000_000_000, 0]);
  });

  it("copies seldom when it grows one element at a time", () => {
    let column = new Uint8Array(0);
    let copies = 0;
    for (let needed = 1; needed <= 100_000; needed++) {
      const before = column;
      column = grown(column, needed);
      if (column !== before) copies++;
    }
    expect(copies).toBeLessThan(40);
  });
});

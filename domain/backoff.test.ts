import { describe, expect, it } from "vitest";
import { Backoff } from "./backoff.ts";

const LIMITS = { firstMs: 100, maxMs: 500 };

describe("Backoff", () => {
  it.each([
    ["the shortest", () => 0, [50, 100, 200, 250, 250]],
    ["the longest", () => 1, [100, 200, 400, 500, 500]],
  ])("doubles its waits up to the cap: %s", (_, random, waits) => {
    const backoff = new Backoff(LIMITS, random);
    expect(waits.map(() => backoff.nextMs())).toEqual(waits);
  });

  it("begins again after a success", () => {
    const backoff = new Backoff(LIMITS, () => 1);
    backoff.nextMs();
    backoff.nextMs();
    backoff.reset();
    expect(backoff.nextMs()).toBe(100);
  });

  it("waits at least as long as asked", () => {
    const backoff = new Backoff(LIMITS, () => 1);
    expect(backoff.nextMs(3_000)).toBe(3_000);
    expect(backoff.nextMs(3)).toBe(200);
  });

  it("never exceeds a cap below the first wait", () => {
    expect(new Backoff({ firstMs: 100, maxMs: 20 }, () => 1).nextMs()).toBe(20);
  });
});

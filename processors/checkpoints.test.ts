import { expect, test } from "vitest";
import { createMemoryLog } from "../platform/log/memory.ts";
import { ConflictError } from "../platform/log/port.ts";
import { Checkpoints, freeze, thaw } from "./checkpoints.ts";

const values = [
  7,
  "text",
  "",
  new Float64Array(0),
  new Float64Array([1.5, Number.NaN, -0]),
  [{ series: { device: "d" } }, new Float64Array([1])],
  new Float64Array([1, 2, 3, 4]).subarray(1, 3),
  [new Float64Array([1, 2]), new Float64Array(0), new Float64Array([Number.NaN])],
  [],
  { kind: "doubles", doubles: new Float64Array([1, 2, 3, 4]).subarray(1, 3) },
  { kind: "bytes", bytes: new Uint8Array([1, 2, 3]) },
  { kind: "doubles", doubles: new Float64Array(0) },
  { kind: "bytes", bytes: new Uint8Array(0) },
  null,
  "ü".repeat(300_000),
];

test("returns the values unchanged, in order", async () => {
  const { pieces, bytes } = await freeze(values);
  const all = Buffer.concat(pieces);
  expect(bytes).toBe(all.length);
  expect([...thaw(all)]).toEqual(values);
  // At any offset in memory.
  const shifted = new Uint8Array(all.length + 3);
  shifted.set(all, 3);
  expect([...thaw(shifted.subarray(3))]).toEqual(values);
});

test("refuses bytes that are truncated at any place", async () => {
  const all = Buffer.concat((await freeze([new Float64Array(3), "text"])).pieces);
  const whole = [...thaw(all)].length;
  for (let length = 1; length < all.length; length++) {
    let count = -1;
    try {
      count = [...thaw(all.subarray(0, length))].length;
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
    }
    expect(count).toBeLessThan(whole);
  }
});

test("does not gather large values into one slow piece", async () => {
  const parts = Array.from({ length: 40 }, () => ({ kind: "doubles", doubles: new Float64Array(2 ** 16) }));
  const { pieces } = await freeze(parts);
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(2 ** 20);
});

test("yields to the event loop while it freezes", async () => {
  let turns = 0;
  let done = false;
  function turn(): void {
    turns++;
    if (!done) setImmediate(turn);
  }
  function* slow(): Iterable<unknown> {
    for (let i = 0; i < 10; i++) {
      const endMs = performance.now() + 10;
      while (performance.now() < endMs) yield i;
    }
  }
  setImmediate(turn);
  await freeze(slow());
  done = true;
  expect(turns).toBeGreaterThan(5);
});

test("finds the newest state; a second saver conflicts and leaves nothing behind", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  const one = new Checkpoints(log, 4);
  const two = new Checkpoints(log, 4);
  expect(await one.load()).toEqual({});
  expect(await two.load()).toEqual({});
  await one.save({ sequence: 10, state: await freeze(["a"]) });
  await expect(two.save({ sequence: 11, state: await freeze(["b"]) })).rejects.toBeInstanceOf(ConflictError);
  expect(await log.blobs.get("checkpoint.4.11.0")).toBeUndefined();
  await one.save({ sequence: 12, state: await freeze(["c"]) });
  const { checkpoint } = await new Checkpoints(log, 4).load();
  expect(checkpoint?.sequence).toBe(12);
  expect([...(checkpoint?.values ?? [])]).toEqual(["c"]);
  expect(await log.blobs.get("checkpoint.4.10.0")).toBeUndefined();
});

test("loads a saved state with any content; reports a damaged one", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  const checkpoints = new Checkpoints(log, 4);
  await checkpoints.load();
  await checkpoints.save({ sequence: 10, state: await freeze(values) });
  const { checkpoint, problem } = await new Checkpoints(log, 4).load();
  expect(problem).toBeUndefined();
  expect([...(checkpoint?.values ?? [])]).toEqual(values);

  const name = "checkpoint.4.10.0";
  const bytes = new Uint8Array((await log.blobs.get(name)) ?? []);
  bytes[bytes.length - 1] = 1 + (bytes.at(-1) ?? 0);
  await log.blobs.put(name, bytes);
  expect(await new Checkpoints(log, 4).load()).toEqual({ problem: `its state ${name} is damaged` });
});

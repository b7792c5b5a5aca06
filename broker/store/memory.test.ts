import { expect, test } from "vitest";
import { memoryHarness } from "./testing/memory-harness.ts";
import { describeStoreContract } from "./testing/store-contract.ts";
import { copyFor, listed, message, readAll } from "./testing/store-kit.ts";
import { TransientSession } from "./transient-session.ts";

describeStoreContract("memory", async () => memoryHarness());

test("a transient session is bounded in messages and bytes, and drops the oldest that were not read", async () => {
  const session = new TransientSession("c", { queuedMax: 3, queuedBytesMax: 5_000 });
  const dropped = ["a", "b", "c", "d"].map((text) => session.push(message(text), copyFor("c")));
  expect(dropped).toEqual([0, 0, 0, 1]);
  expect(listed(await session.queue.read(2))).toEqual(["1 b", "2 c"]);
  expect(session.push(message("", { payload: new Uint8Array(4_000) }), copyFor("c"))).toBe(1);
  expect(session.push(message("", { payload: new Uint8Array(4_000) }), copyFor("c"))).toBe(1);
  expect((await readAll(session.queue)).map(({ ordinal }) => ordinal)).toEqual([5]);
  for (const ordinal of [1, 2, 5]) session.queue.finish(ordinal);
  expect(session.queue.length).toBe(0);
  expect(session.bytes).toBe(0);
});

test("a transient session has the packet ids of QoS 2", async () => {
  const { incoming } = new TransientSession("c", { queuedMax: 3, queuedBytesMax: 5_000 });
  expect(await incoming.begin(1, 10)).toEqual({ receivedAtUs: 10, repeat: false, stored: false });
  incoming.stored(1);
  expect(await incoming.begin(1, 20)).toEqual({ receivedAtUs: 10, repeat: true, stored: true });
  await incoming.release(1);
  expect(incoming.has(1)).toBe(false);
});

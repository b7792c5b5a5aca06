import { describe, expect, test } from "vitest";
import { ORIGINS_MAX } from "../port.ts";
import { again, copyFor, listed, message, POLL, RICH, readAll, type StoreHarness, textOf, WISH } from "./store-kit.ts";

/** Queues and packet ids. */
// Long: a list of cases.
export function describeQueues(harness: () => StoreHarness): void {
  describe("queues", () => {
    test("give messages in order, whole, from ordinal 0 on", async () => {
      const { store } = await harness().open();
      const { queue } = await store.claim("c", WISH);
      expect(await queue.read(10)).toEqual([]);
      let more = 0;
      queue.onMore(() => more++);
      await store.enqueue(RICH, [copyFor("c", { qos: 2, retain: true, identifiers: [1, 268_435_455] })]);
      await expect.poll(() => more, POLL).toBe(1);
      await store.enqueue(message(""), [copyFor("c")]);
      await expect.poll(() => queue.length, POLL).toBe(2);
      const [rich, empty] = await readAll(queue, 1);
      expect(rich).toMatchObject({ ordinal: 0, qos: 2, retain: true, identifiers: [1, 268_435_455] });
      expect(rich?.message).toEqual(RICH);
      expect(empty).toMatchObject({ ordinal: 1, qos: 1, retain: false, identifiers: [] });
      expect(empty?.message).toEqual(message(""));
      expect(more).toBe(1);
    });

    test("keep order and count for an absent client, under concurrent calls", async () => {
      const { store } = await harness().open();
      for (const id of ["a", "b"]) await store.claim(id, WISH).then(({ queue }) => queue.close());
      const copies = [copyFor("a"), copyFor("b")];
      await Promise.all(
        Array.from({ length: 300 }, (_, i) =>
          store.enqueue(message(`m${i}`), i % 2 === 0 ? copies : copies.slice(0, 1)),
        ),
      );
      const { store: second } = await again(harness(), store, "crash");
      const [a, b] = [await second.claim("a", WISH), await second.claim("b", WISH)];
      expect(a.queue.length).toBe(300);
      expect(listed(await readAll(a.queue, 7))).toEqual(Array.from({ length: 300 }, (_, i) => `${i} m${i}`));
      expect(listed(await readAll(b.queue))).toEqual(Array.from({ length: 150 }, (_, i) => `${i} m${2 * i}`));
    });

    test.each(["stop", "crash"] as const)("give the unfinished again after a %s, with their ordinals", async (how) => {
      const { store } = await harness().open();
      const { queue } = await store.claim("c", WISH);
      for (let i = 0; i < 6; i++) await store.enqueue(message(`m${i}`), [copyFor("c", { qos: 2 })]);
      await expect.poll(() => queue.length, POLL).toBe(6);
      expect((await queue.read(4)).map(({ ordinal }) => ordinal)).toEqual([0, 1, 2, 3]);
      queue.finish(0);
      queue.finish(0);
      queue.finish(2);
      await queue.received(3);
      await queue.received(1);
      if (how === "stop") await queue.close();
      const { store: second } = await again(harness(), store, how);
      const claimed = await second.claim("c", WISH);
      expect(claimed.queue.unreleased).toEqual([3, 1]);
      expect(claimed.queue.sentUpTo).toBeGreaterThanOrEqual(3);
      const given = listed(await readAll(claimed.queue));
      if (how === "stop") {
        expect(given).toEqual(["4 m4", "5 m5"]);
        expect(claimed.queue).toMatchObject({ length: 4, sentUpTo: 3 });
      } else {
        expect(given.filter((each) => !["0 m0", "2 m2"].includes(each))).toEqual(["4 m4", "5 m5"]);
      }
      for (const ordinal of [1, 3, 4, 5]) claimed.queue.finish(ordinal);
      await claimed.queue.close();
      const { store: third } = await again(harness(), second, "stop");
      await third.enqueue(message("m6"), [copyFor("c")]);
      const last = await third.claim("c", WISH);
      expect(last.queue.unreleased).toEqual([]);
      expect(listed(await readAll(last.queue)).at(-1)).toBe("6 m6");
    });

    test("keep the first message of an origin alone, even after it is finished", async () => {
      const { store } = await harness().open();
      const { queue } = await store.claim("c", WISH);
      const repeated = (i: number) => message(`o${i}`, { qos: 2, origin: `p ${i}` });
      await store.enqueue(repeated(1), [copyFor("c", { qos: 2 })]);
      await store.enqueue(repeated(2), [copyFor("c", { qos: 2 })]);
      await store.enqueue(repeated(1), [copyFor("c", { qos: 2 })]);
      await expect.poll(() => queue.length, POLL).toBe(2);
      expect((await readAll(queue)).map(({ message: m }) => textOf(m))).toEqual(["o1", "o2"]);
      queue.finish(0);
      await queue.close();
      const { store: second } = await again(harness(), store, "crash");
      await second.enqueue(repeated(1), [copyFor("c", { qos: 2 })]);
      await second.enqueue(repeated(2), [copyFor("c", { qos: 2 })]);
      await second.enqueue(repeated(3), [copyFor("c", { qos: 2 })]);
      const claimed = await second.claim("c", WISH);
      const texts = (await readAll(claimed.queue)).map(({ message: m }) => textOf(m));
      expect(texts).toEqual(["o2", "o3"]);
      expect(ORIGINS_MAX).toBeGreaterThan(100);
    });

    test.each(["stop", "crash"] as const)("know who got a message, until it is finished, after a %s", async (how) => {
      const { store } = await harness().open();
      const { queue } = await store.claim("c", WISH);
      for (let i = 0; i < 3; i++) await store.enqueue(message(`m${i}`), [copyFor("c", { qos: 2 })]);
      await expect.poll(() => queue.length, POLL).toBe(3);
      await queue.read(3);
      const taker = "Größe 😀";
      await queue.assign(new Map([0, 1].map((ordinal) => [ordinal, taker])));
      queue.finish(0);
      await queue.assign(new Map([[0, "late"]]));
      expect([0, 1, 2].map((ordinal) => queue.takerOf(ordinal))).toEqual([undefined, taker, undefined]);
      const { store: second } = await again(harness(), store, how);
      const claimed = await second.claim("c", WISH);
      expect(listed(await readAll(claimed.queue))).toEqual(["1 m1", "2 m2"]);
      expect([0, 1, 2].map((ordinal) => claimed.queue.takerOf(ordinal))).toEqual([undefined, taker, undefined]);
    });

    test("beyond the bound of a session, drop the oldest unread and count them", async () => {
      const { store, events } = await harness().open({ limits: { queuedPerSessionMax: 5 } });
      const { queue } = await store.claim("c", WISH);
      await store.claim("absent", WISH).then((absent) => absent.queue.close());
      await store.enqueue(message("m0"), [copyFor("c")]);
      await store.enqueue(message("m1"), [copyFor("c")]);
      await expect.poll(() => queue.length, POLL).toBe(2);
      await queue.read(1);
      for (let i = 2; i < 8; i++) await store.enqueue(message(`m${i}`), [copyFor("c")]);
      for (let i = 0; i < 8; i++) await store.enqueue(message(`m${i}`), [copyFor("absent")]);
      await expect.poll(() => events.queuedDropped.get("c"), POLL).toBe(3);
      expect(queue.length).toBe(5);
      expect(listed(await readAll(queue))).toEqual(["4 m4", "5 m5", "6 m6", "7 m7"]);
      const absent = await store.claim("absent", WISH);
      expect(absent.queue.length).toBe(5);
      expect(events.queuedDropped.get("absent")).toBe(3);
      expect(listed(await readAll(absent.queue))).toEqual(["3 m3", "4 m4", "5 m5", "6 m6", "7 m7"]);
    });

    test("beyond the bound of all, the longest queue drops its oldest", async () => {
      const { store, events } = await harness().open({ limits: { queuedBytesMax: 100_000 } });
      for (const id of ["long", "short"]) await store.claim(id, WISH).then(({ queue }) => queue.close());
      const payload = new Uint8Array(10_000);
      for (let i = 0; i < 3; i++) await store.enqueue(message("", { payload }), [copyFor("short")]);
      for (let i = 0; i < 20; i++) await store.enqueue(message("", { payload }), [copyFor("long")]);
      const short = await store.claim("short", WISH);
      const long = await store.claim("long", WISH);
      const kept = await readAll(long.queue);
      expect(await readAll(short.queue)).toHaveLength(3);
      expect(kept.length).toBeGreaterThanOrEqual(4);
      expect(kept.length).toBeLessThanOrEqual(6);
      expect(kept.at(-1)?.ordinal).toBe(19);
      expect(events.queuedDropped.get("long")).toBe(20 - kept.length);
      expect(events.queuedDropped.has("short")).toBe(false);
    });
  });

  describe("incoming QoS 2 ids", () => {
    test.each(["stop", "crash"] as const)("keep their first receive time after a %s", async (how) => {
      const { store } = await harness().open();
      const { incoming } = await store.claim("c", WISH);
      expect(await incoming.begin(1, 100)).toEqual({ receivedAtUs: 100, repeat: false, stored: false });
      expect(await incoming.begin(1, 200)).toEqual({ receivedAtUs: 100, repeat: true, stored: false });
      await incoming.begin(65_535, 1_700_000_000_000_001);
      await incoming.begin(7, 300);
      incoming.stored(1);
      expect(await incoming.begin(1, 400)).toEqual({ receivedAtUs: 100, repeat: true, stored: true });
      await incoming.release(7);
      await incoming.release(8);
      expect([incoming.has(1), incoming.has(7), incoming.size]).toEqual([true, false, 2]);
      const { store: second } = await again(harness(), store, how);
      const { incoming: kept } = await second.claim("c", WISH);
      expect([kept.has(1), kept.has(7), kept.has(65_535), kept.size]).toEqual([true, false, true, 2]);
      expect(await kept.begin(1, 500)).toMatchObject({ receivedAtUs: 100, repeat: true });
      if (how === "stop") expect((await kept.begin(1, 500)).stored).toBe(true);
      expect(await kept.begin(65_535, 500)).toMatchObject({ receivedAtUs: 1_700_000_000_000_001, repeat: true });
      expect(await kept.begin(7, 600)).toEqual({ receivedAtUs: 600, repeat: false, stored: false });
    });
  });
}

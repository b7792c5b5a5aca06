import { describe, expect, test } from "vitest";
import { NEVER_EXPIRES, OWN_PREFIX, type SessionRecord, type Subscription, TakenOverError } from "../port.ts";
import {
  again,
  copyFor,
  listed,
  message,
  NOW_US,
  POLL,
  RICH,
  readAll,
  type StoreHarness,
  SUBSCRIPTION,
  WISH,
} from "./store-kit.ts";

const HOSTILE = ["a.b", "*", ">", " ", "a b", "ünï😀", "$KV.x", "../../x", "\u0000\n", "x".repeat(256), "A", "a"];

/** Records and claims. */
// Long: a list of cases.
export function describeSessions(harness: () => StoreHarness): void {
  describe("sessions", () => {
    test.each(["stop", "crash"] as const)("survive a %s with all their fields", async (how) => {
      const { store } = await harness().open();
      const will = { message: RICH, delaySeconds: 30 };
      const { record, present } = await store.claim("c", { ...WISH, expirySeconds: NEVER_EXPIRES, will });
      expect(present).toBe(false);
      expect(record).toMatchObject({ clientId: "c", user: "ada", subscriptions: [], edge: "edge-1", will });
      const plain: Subscription = { ...SUBSCRIPTION, filter: "", qos: 0, noLocal: false, retainHandling: 0 };
      const { identifier: _, ...bare } = plain;
      const { edge: _edge, ...left } = record;
      const saved: SessionRecord = {
        ...left,
        subscriptions: [SUBSCRIPTION, bare],
        awayAtUs: 1_700_000_000_000_003,
      };
      await store.save(saved);
      expect(store.session("c")).toEqual(saved);
      const { store: second } = await again(harness(), store, how);
      expect(second.session("c")).toEqual(saved);
      expect([...second.sessions()]).toEqual([saved]);
      const claimed = await second.claim("c", WISH);
      expect(claimed.present).toBe(true);
      expect(claimed.record).toEqual({
        clientId: "c",
        user: "ada",
        expirySeconds: 3_600,
        subscriptions: [SUBSCRIPTION, bare],
        epoch: record.epoch + 1,
        edge: "edge-1",
      });
    });

    test("of any client id are apart", async () => {
      const { store } = await harness().open();
      for (const id of HOSTILE) await store.claim(id, { ...WISH, user: `user of ${id}` });
      for (const id of HOSTILE) await store.enqueue(message(`for ${id}`), [copyFor(id)]);
      const { store: second } = await again(harness(), store, "crash");
      expect([...second.sessions()].map(({ clientId }) => clientId).sort()).toEqual([...HOSTILE].sort());
      for (const id of HOSTILE) {
        const { record, queue } = await second.claim(id, { ...WISH, user: `user of ${id}` });
        expect(record.user).toBe(`user of ${id}`);
        expect(listed(await readAll(queue))).toEqual([`0 for ${id}`]);
      }
    });

    test("a newer claim ends the rights of the earlier one", async () => {
      const { store, events } = await harness().open();
      const first = await store.claim("c", WISH);
      await store.enqueue(message("m"), [copyFor("c", { qos: 2 })]);
      await expect.poll(() => first.queue.length, POLL).toBe(1);
      expect(await readAll(first.queue)).toHaveLength(1);
      const second = await store.claim("c", WISH);
      expect(events.taken).toEqual([`c ${first.record.epoch}`]);
      await expect(store.save(first.record)).rejects.toThrow(TakenOverError);
      await expect(store.remove("c", first.record.epoch)).rejects.toThrow(TakenOverError);
      await expect(first.queue.received(0)).rejects.toThrow(TakenOverError);
      first.queue.finish(0);
      expect(await first.queue.read(10)).toEqual([]);
      expect(listed(await readAll(second.queue))).toEqual(["0 m"]);
      await store.save({ ...second.record, awayAtUs: 5 });
    });

    test("that are removed or started clean lose everything", async () => {
      const { store, events } = await harness().open();
      for (const id of ["removed", "clean"]) {
        const { record, incoming } = await store.claim(id, WISH);
        await store.save({ ...record, subscriptions: [SUBSCRIPTION] });
        await incoming.begin(4, 44);
        await store.enqueue(message("old"), [copyFor(id)]);
      }
      await store.remove("removed", store.session("removed")?.epoch ?? 0);
      expect(store.session("removed")).toBeUndefined();
      expect(events.sessions.get("removed")).toBeUndefined();
      for (const id of ["removed", "clean"]) {
        const claimed = await store.claim(id, { ...WISH, cleanStart: true });
        expect(claimed.present).toBe(false);
        expect(claimed.record.subscriptions).toEqual([]);
        expect(claimed.incoming.size).toBe(0);
        expect(claimed.queue).toMatchObject({ length: 0, sentUpTo: -1, unreleased: [] });
      }
      await store.enqueue(message("nowhere"), [copyFor("unknown")]);
      const { store: second } = await again(harness(), store, "crash");
      for (const id of ["removed", "clean"]) {
        const { queue, present } = await second.claim(id, WISH);
        expect(present).toBe(true);
        expect(await readAll(queue)).toEqual([]);
        await second.enqueue(message("new"), [copyFor(id)]);
        await expect.poll(async () => listed(await readAll(queue)), POLL).toEqual(["0 new"]);
      }
    });

    test("are left by their clients when their edge ends", async () => {
      const { store } = await harness().open();
      const { record } = await store.claim("c", WISH);
      const wills = { hasty: 5, patient: 600 };
      for (const [id, delaySeconds] of Object.entries(wills)) {
        await store.claim(id, { ...WISH, will: { message: RICH, delaySeconds } });
      }
      const other = await harness().open({ edge: "edge-2" });
      await other.store.claim("elsewhere", WISH);
      const { store: second } = await again(harness(), store, "crash");
      const { edge: _edge, ...left } = record;
      expect(second.session("c")).toEqual({ ...left, awayAtUs: NOW_US });
      expect(second.session("elsewhere")).toMatchObject({ edge: "edge-2" });
      // They have a minute to come back.
      expect(second.session("hasty")).toMatchObject({ awayAtUs: NOW_US, will: { delaySeconds: 60 } });
      expect(second.session("patient")).toMatchObject({ awayAtUs: NOW_US, will: { delaySeconds: 600 } });
    });

    test("of several that replace the same record, one does", async () => {
      const one = (await harness().open({ edge: "edge-1" })).store;
      const two = (await harness().open({ edge: "edge-2" })).store;
      await one.claim("c", WISH);
      await expect.poll(() => two.session("c"), POLL).toBeDefined();
      const known = [one, two, one].map((store) => ({ store, before: store.session("c") }));
      const saves = known.map(async ({ store, before }, i) => {
        if (before === undefined) throw new Error("the session is missing");
        await store.save({ ...before, awayAtUs: NOW_US + i }, before);
      });
      const outcomes = await Promise.allSettled(saves);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      for (const each of outcomes) if (each.status === "rejected") expect(each.reason).toBeInstanceOf(TakenOverError);
    });

    test("expire after their client left, and keep a will until it is published", async () => {
      const { store, events } = await harness().open();
      const will = { message: RICH, delaySeconds: 0 };
      const wishes = { short: { ...WISH, expirySeconds: 1 }, long: WISH, will: { ...WISH, expirySeconds: 1, will } };
      for (const [id, wish] of Object.entries(wishes)) {
        const { record } = await store.claim(id, wish);
        await store.save({ ...record, awayAtUs: 1_000_000 });
      }
      await store.claim("connected", { ...WISH, expirySeconds: 1 });
      const never = await store.claim("never", { ...WISH, expirySeconds: NEVER_EXPIRES });
      await store.save({ ...never.record, awayAtUs: 1 });
      await store.expire(1_999_999);
      expect(events.sessionsDropped).toEqual([]);
      await store.expire(2_000_000);
      expect(events.sessionsDropped).toEqual(["short expired"]);
      expect(store.session("short")).toBeUndefined();
      const { will: _, ...published } = store.session("will") ?? never.record;
      await store.save(published);
      await store.expire(2_000_000);
      expect(events.sessionsDropped).toEqual(["short expired", "will expired"]);
      const { store: second } = await again(harness(), store, "crash");
      expect([...second.sessions()].map(({ clientId }) => clientId).sort()).toEqual(["connected", "long", "never"]);
    });

    test("beyond the bound, the one that was left the longest ago goes", async () => {
      const { store, events } = await harness().open({ limits: { sessionsMax: 3 } });
      for (const [id, awayAtUs] of [
        ["b", 20],
        ["a", 10],
        ["connected", undefined],
      ] as const) {
        const { record } = await store.claim(id, WISH);
        if (awayAtUs !== undefined) await store.save({ ...record, awayAtUs });
      }
      await store.claim("b", WISH);
      // The broker's own do not count.
      for (const id of ["one", "two"]) await store.claim(`${OWN_PREFIX}${id}`, WISH);
      expect(events.sessionsDropped).toEqual([]);
      await store.claim("new", WISH);
      expect(events.sessionsDropped).toEqual(["a too-many-sessions"]);
      expect(events.sessions.get("a")).toBeUndefined();
    });
  });
}

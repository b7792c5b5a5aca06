import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { message, POLL, WISH } from "../../store/testing/store-kit.ts";
import { inboxOf } from "../inbox.ts";
import type { ClusterHarness, Edge } from "./cluster-kit.ts";

const KEYS = Array.from({ length: 60 }, (_, i) => `key ${i}`);

/** Publishes as the broker does. */
async function publish({ cluster, store }: Edge, text: string, qos: 0 | 1 | 2): Promise<void> {
  const published = message(text, { topic: "plant/line-1", qos });
  if (qos === 0) cluster.publish(published);
  else await store.enqueue(published, cluster.inboxes(published));
}

/** What each cluster must do. */
// Long: a list of cases.
export function describeCluster(name: string, setup: () => Promise<ClusterHarness>): void {
  describe(`cluster: ${name}`, { timeout: 60_000 }, () => {
    let harness: ClusterHarness;
    let one: Edge;
    let two: Edge;
    beforeEach(async () => {
      harness = await setup();
      one = await harness.open("one");
      two = await harness.open("two");
      await expect.poll(() => one.cluster.edges(), POLL).toEqual(["one", "two"]);
      await expect.poll(() => two.cluster.edges(), POLL).toEqual(["one", "two"]);
    });
    afterEach(async () => {
      await harness.close();
      expect([...one.events.failures, ...two.events.failures]).toEqual([]);
    });

    test("edges see each other come, stop and die", async () => {
      const three = await harness.open("three");
      await expect.poll(() => one.cluster.edges(), POLL).toEqual(["one", "three", "two"]);
      await three.cluster.stop();
      await expect.poll(() => one.cluster.edges(), POLL).toEqual(["one", "two"]);
      await harness.crash(two);
      await expect.poll(() => one.cluster.edges(), POLL).toEqual(["one"]);
      const seen = ["two joined", "three joined", "three lost", "two lost"];
      await expect.poll(() => one.events.edges, POLL).toEqual(seen);
      await harness.open("two");
      await expect.poll(() => one.events.edges.at(-1), POLL).toBe("two joined");
    });

    test("one edge is chosen for each key, and only what a dead one had moves", async () => {
      const chosenByOne = KEYS.filter((key) => one.cluster.isChosenFor(key));
      const chosenByTwo = KEYS.filter((key) => two.cluster.isChosenFor(key));
      expect([...chosenByOne, ...chosenByTwo].sort()).toEqual([...KEYS].sort());
      expect(Math.min(chosenByOne.length, chosenByTwo.length)).toBeGreaterThan(10);
      await two.cluster.stop();
      await expect.poll(() => KEYS.filter((key) => one.cluster.isChosenFor(key)), POLL).toEqual(KEYS);
    });

    test("once a subscription is through, nothing published at another edge is missed", async () => {
      for (let round = 0; round < 5; round++) {
        await two.cluster.subscribe(`plant/+`);
        expect(one.cluster.matchesAny("plant/line-1")).toBe(true);
        await publish(one, `${round}`, 1);
        two.cluster.unsubscribe("plant/+");
        await expect.poll(() => one.cluster.matchesAny("plant/line-1"), POLL).toBe(false);
        await publish(one, "nobody", 1);
      }
      await expect.poll(() => two.events.messages, POLL).toEqual(["1 0", "1 1", "1 2", "1 3", "1 4"]);
    });

    test("messages of all qualities come whole, once, and to interested edges alone", async () => {
      const three = await harness.open("three");
      await expect.poll(() => two.cluster.edges().length, POLL).toBe(3);
      await Promise.all([two.cluster.subscribe("plant/#"), two.cluster.subscribe("+/line-1")]);
      await three.cluster.subscribe("other/#");
      for (let i = 0; i < 50; i++) await publish(one, `m${i}`, i % 2 === 0 ? 1 : 2);
      for (let i = 0; i < 10; i++) await publish(one, `live${i}`, 0);
      const queued = () => two.events.messages.filter((each) => !each.startsWith("0"));
      await expect.poll(queued, POLL).toEqual(Array.from({ length: 50 }, (_, i) => `${1 + (i % 2)} m${i}`));
      const live = () => two.events.messages.filter((each) => each.startsWith("0"));
      await expect.poll(live, POLL).toEqual(Array.from({ length: 10 }, (_, i) => `0 live${i}`));
      expect(three.events.messages).toEqual([]);
      expect(one.events.messages).toEqual([]);
    });

    test("a filter counts once for each subscription", async () => {
      await Promise.all([two.cluster.subscribe("a"), two.cluster.subscribe("a")]);
      two.cluster.unsubscribe("a");
      await two.cluster.subscribe("b");
      expect(one.cluster.matchesAny("a")).toBe(true);
      two.cluster.unsubscribe("a");
      await expect.poll(() => one.cluster.matchesAny("a"), POLL).toBe(false);
      expect(one.cluster.matchesAny("b")).toBe(true);
    });

    test("an edge that starts later knows what the others want", async () => {
      await two.cluster.subscribe("plant/#");
      const three = await harness.open("three");
      expect(three.cluster.matchesAny("plant/line-1")).toBe(true);
      await publish(three, "m", 1);
      await expect.poll(() => two.events.messages, POLL).toEqual(["1 m"]);
    });

    test("a client that connects takes its client id from other edges", async () => {
      one.cluster.clientConnected({ clientId: "c", user: "ada", atUs: 7 });
      await expect.poll(() => two.events.connected, POLL).toEqual(["c of ada at 7"]);
      expect(one.events.connected).toEqual([]);
    });

    test("a QoS 0 message of a shared subscription goes to the edge that it is for", async () => {
      one.cluster.share("two", "$share/g/plant/#", message("m", { qos: 0 }));
      await expect.poll(() => two.events.shared, POLL).toEqual(["$share/g/plant/# m"]);
    });

    test("an edge that is alone stores nothing for others, and does once there is one", async () => {
      await two.cluster.stop();
      await expect.poll(() => one.cluster.hasOthers(), POLL).toBe(false);
      await one.cluster.subscribe("plant/#");
      const stored = [...one.store.sessions()].flatMap(({ subscriptions }) => subscriptions);
      expect(stored).toEqual([]);
      const { others } = one.events;
      const three = await harness.open("three");
      expect(one.events.others).toBeGreaterThan(others);
      await publish(three, "m", 1);
      await expect.poll(() => one.events.messages, POLL).toEqual(["1 m"]);
    });

    test("an edge that starts waits for one that answers late", async () => {
      await two.cluster.stop();
      await one.cluster.subscribe("plant/#");
      one.cutBus(true);
      const opening = harness.open("three");
      await expect.poll(() => one.store.session(inboxOf("three")), POLL).toBeDefined();
      one.cutBus(false);
      await publish(await opening, "m", 1);
      await expect.poll(() => one.events.messages, POLL).toEqual(["1 m"]);
    });

    test("sessions of an edge that nobody has seen alive are left as well", async () => {
      await two.store.claim("c", WISH);
      await expect.poll(() => one.store.session("c"), POLL).toBeDefined();
      await Promise.all([one.cluster.stop(), harness.crash(two)]);
      const three = await harness.open("three");
      await expect.poll(() => three.store.session("c")?.awayAtUs, POLL).toBeDefined();
      expect(three.events.edges).toEqual([]);
    });

    test("what the store has of a session is known to the others, once that is asked for", async () => {
      for (let round = 0; round < 5; round++) {
        await two.store.claim(`c${round}`, WISH);
        await two.cluster.known();
        expect(one.store.session(`c${round}`)).toBeDefined();
      }
    });

    test("the sessions of a dead edge are left, once", async () => {
      const { record } = await two.store.claim("c", WISH);
      await two.store.claim("d", WISH);
      await expect.poll(() => one.store.session("d"), POLL).toBeDefined();
      await harness.crash(two);
      await expect.poll(() => one.events.edges.at(-1), POLL).toBe("two lost");
      for (const id of ["c", "d"]) {
        expect(one.stored.sessions.get(id)).toMatchObject({ clientId: id, awayAtUs: expect.any(Number) });
      }
      expect(one.store.session("c")?.epoch).toBe(record.epoch);
      const again = await one.store.claim("c", WISH);
      expect(again.present).toBe(true);
    });

    test("an edge that was only cut off keeps its sessions, and reads what it has missed", async () => {
      const { record, queue } = await two.store.claim("c", WISH);
      await two.cluster.subscribe("plant/#");
      two.cutBus(true);
      await expect.poll(() => one.events.edges.at(-1), POLL).toBe("two lost");
      await publish(one, "meanwhile", 1);
      two.cutBus(false);
      await expect.poll(() => one.cluster.edges(), POLL).toEqual(["one", "two"]);
      await expect.poll(() => two.events.messages, POLL).toEqual(["1 meanwhile"]);
      await expect.poll(() => one.store.session("c"), POLL).toEqual(record);
      expect(two.stored.taken).toEqual([]);
      queue.finish(0);
    });

    test("what a dead edge wanted is forgotten in time", async () => {
      const patient = await harness.open("patient", { forgetMs: 100 });
      await two.cluster.subscribe("plant/#");
      await harness.crash(two);
      await one.cluster.stop();
      expect(patient.cluster.matchesAny("plant/line-1")).toBe(true);
      await expect.poll(() => patient.cluster.matchesAny("plant/line-1"), POLL).toBe(false);
      const left = () => [...patient.store.sessions()].filter(({ clientId }) => clientId.endsWith("/two"));
      await expect.poll(left, POLL).toEqual([]);
    });

    test("an edge that was taken for dead for long makes its filters and its inbox again", async () => {
      await two.cluster.subscribe("plant/#");
      await expect.poll(() => one.cluster.matchesAny("plant/line-1"), POLL).toBe(true);
      for (const { clientId, epoch, edge } of [...one.store.sessions()]) {
        if (edge === "two") await one.store.remove(clientId, epoch);
      }
      await expect.poll(() => one.cluster.matchesAny("plant/line-1"), POLL).toBe(true);
      await expect
        .poll(async () => {
          await publish(one, "again", 1);
          return two.events.messages.includes("1 again");
        }, POLL)
        .toBe(true);
    });

    test("an edge that starts again has no filters and no messages of its earlier run", async () => {
      await two.cluster.subscribe("plant/#");
      await harness.crash(two);
      await publish(one, "late", 1);
      const second = await harness.open("two");
      await expect.poll(() => one.cluster.matchesAny("plant/line-1"), POLL).toBe(false);
      await second.cluster.subscribe("plant/#");
      await publish(one, "new", 1);
      await expect.poll(() => second.events.messages, POLL).toEqual(["1 new"]);
    });
  });
}

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startNats } from "../store/testing/nats-kit.ts";
import type { Device } from "./testing/device.ts";
import { type EdgesKit, edgesKit, type TestEdge } from "./testing/edges-kit.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const POLL = { timeout: 40_000, interval: 20 };
let nats: Awaited<ReturnType<typeof startNats>>;
let kit: EdgesKit;
let one: TestEdge;
let two: TestEdge;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats.stop();
});
beforeEach(async () => {
  await nats.wipe();
  kit = edgesKit(() => nats.openLog());
  one = await kit.open("one");
  two = await kit.open("two");
});
afterEach(async () => {
  await kit.close();
  expect(kit.failures).toEqual([]);
});

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `${from + i}`);

async function publishAll(device: Device, topic: string, texts: readonly string[], qos: 0 | 1 | 2): Promise<void> {
  // Below the broker's Receive Maximum.
  for (let i = 0; i < texts.length; i += 100) {
    await Promise.all(texts.slice(i, i + 100).map((text) => device.publish(topic, text, qos)));
  }
}

describe.each([4, 5] as const)("version %i", (version) => {
  test.each([0, 1, 2] as const)(
    "what is published at one edge with QoS %i comes to the other, in order",
    async (qos) => {
      const stored = await kit.connect(two, { clientId: "stored", version });
      const passing = await kit.connect(two, { clientId: "passing", version, clean: true });
      for (const device of [stored, passing]) await device.subscribe({ topic: "plant/+", qos });
      const publishers = [one, two].map((edge) =>
        kit.connect(edge, { clientId: `p-${edge.name}`, version, clean: true }),
      );
      const texts = range(0, 200);
      const sent = publishers.map(async (connecting, i) => publishAll(await connecting, `plant/${i}`, texts, qos));
      await Promise.all(sent);
      for (const device of [stored, passing]) {
        await expect.poll(() => device.packets.length, POLL).toBeGreaterThanOrEqual(400);
        for (const i of [0, 1]) {
          const got = device.packets.filter(({ topic }) => topic === `plant/${i}`);
          expect(got.map(({ payload }) => payload.toString())).toEqual(texts);
          expect(new Set(got.map((packet) => packet.qos))).toEqual(new Set([qos]));
        }
      }
      expect(one.gate.messages.length + two.gate.messages.length).toBe(400);
    },
  );

  test("a subscription with QoS 0 gets messages with QoS 1 of another edge once", async () => {
    const stored = await kit.connect(two, { clientId: "stored", version });
    await stored.subscribe({ topic: "a", qos: 0 });
    const publisher = await kit.connect(one, { clientId: "p", version, clean: true });
    await publisher.publish("a", "1", 1);
    const passing = await kit.connect(two, { clientId: "passing", version, clean: true });
    await passing.subscribe({ topic: "a", qos: 0 }, { topic: "+", qos: 1 });
    await publisher.publish("a", "2", 2);
    // Messages of different quality take different ways.
    await expect.poll(() => stored.texts, POLL).toEqual(["1", "2"]);
    await publisher.publish("a", "3", 0);
    await expect.poll(() => stored.texts, POLL).toEqual(["1", "2", "3"]);
    await expect
      .poll(() => passing.packets.map(({ qos, payload }) => `${qos} ${payload}`).sort(), POLL)
      .toEqual(["0 3", "1 2"]);
  });
});

test("no local, retain as published and retained messages hold over edges", async () => {
  const own = await kit.connect(two, { clientId: "own", clean: true });
  await own.subscribe({ topic: "r/#", qos: 1, nl: true });
  await own.publish("r/own", "mine", 1, { retain: true });
  const other = await kit.connect(one, { clientId: "other", clean: true });
  await other.subscribe({ topic: "r/#", qos: 1, rap: true });
  await expect.poll(() => other.packets.map(({ topic, retain }) => `${topic} ${retain}`), POLL).toEqual(["r/own true"]);
  await other.publish("r/a", "kept", 1, { retain: true });
  await expect.poll(() => own.packets.map(({ topic, retain }) => `${topic} ${retain}`), POLL).toEqual(["r/a false"]);
  await expect.poll(() => other.packets.at(-1), POLL).toMatchObject({ topic: "r/a", retain: true });
  await two.stop();
  two = await kit.open("two");
  const late = await kit.connect(two, { clientId: "late", version: 4, clean: true });
  await late.subscribe({ topic: "r/#", qos: 1 });
  await expect
    .poll(() => late.packets.map(({ topic, retain }) => `${topic} ${retain}`).sort(), POLL)
    .toEqual(["r/a true", "r/own true"]);
});

test.each(["stored", "passing"] as const)("a client id that is %s is taken over from the other edge", async (kind) => {
  const options = { clientId: "c", clean: kind === "passing" };
  const first = await kit.connect(one, options);
  await first.subscribe({ topic: "a", qos: 1 });
  const second = await kit.connect(two, options);
  await expect.poll(() => first.ends, POLL).toEqual([0x8e]);
  expect(second.connack?.sessionPresent).toBe(kind === "stored");
  await second.subscribe({ topic: "a", qos: 1 });
  const back = await kit.connect(one, { ...options, version: 4 });
  await expect.poll(() => second.ends, POLL).toEqual([0x8e]);
  await back.subscribe({ topic: "a", qos: 1 });
  await (await kit.connect(two, { clientId: "p", clean: true })).publish("a", "m", 1);
  await expect.poll(() => back.texts, POLL).toEqual(["m"]);
  expect([...first.texts, ...second.texts]).toEqual([]);
});

test("a session moves with its client while messages flow: none is lost, and QoS 2 never comes twice", async () => {
  const mover = await kit.connect(one, { clientId: "mover", receiveMaximum: 20 });
  await mover.subscribe({ topic: "q/#", qos: 2 });
  const publishers = await Promise.all(
    [one, two].map((edge) => kit.connect(edge, { clientId: `p-${edge.name}`, clean: true })),
  );
  const texts = range(0, 200);
  let isDone = false;
  const sending = Promise.all(
    publishers.flatMap((publisher, i) => [
      publishAll(publisher, `q/2/${i}`, texts, 2),
      (async () => {
        for (const text of texts) await publisher.publish(`q/1/${i}`, text, 1);
      })(),
    ]),
  ).finally(() => {
    isDone = true;
  });
  for (let move = 0; !isDone || move < 6; move++) {
    const before = mover.packets.length;
    await expect.poll(() => isDone || mover.packets.length > before + 20, POLL).toBe(true);
    if (move % 2 === 0) mover.cut();
    await mover.connect(move % 2 === 0 ? two.port : one.port);
    expect(mover.connack?.sessionPresent).toBe(true);
  }
  await sending;
  const of = (topic: string) => mover.packets.filter((packet) => packet.topic === topic);
  for (const i of [0, 1]) {
    await expect.poll(() => new Set(of(`q/1/${i}`).map(({ payload }) => `${payload}`)).size, POLL).toBe(texts.length);
    await expect.poll(() => of(`q/2/${i}`).length, POLL).toBe(texts.length);
    expect(of(`q/2/${i}`).map(({ payload }) => `${payload}`)).toEqual(texts);
    const first = of(`q/1/${i}`).flatMap(({ dup, payload }) => (dup ? [] : [`${payload}`]));
    expect(first).toEqual([...first].sort((a, b) => Number(a) - Number(b)));
  }
});

describe("shared subscriptions", () => {
  const filter = "$share/g/jobs/#";
  const textsOf = (devices: readonly Device[]) => devices.flatMap(({ texts }) => texts).sort();
  const sorted = (texts: readonly string[]) => [...texts].sort();

  test.each([
    [0, true],
    [1, true],
    [1, false],
    [2, true],
    [2, false],
  ] as const)("with QoS %i and clean start %s are balanced over edges", async (qos, clean) => {
    const members: Device[] = [];
    for (const [i, edge] of [one, one, two, two].entries()) {
      const member = await kit.connect(edge, { clientId: `m${i}`, clean });
      await member.subscribe({ topic: filter, qos });
      members.push(member);
    }
    const publishers = await Promise.all(
      [one, two].map((edge) => kit.connect(edge, { clientId: `p-${edge.name}`, clean: true })),
    );
    await Promise.all(
      publishers.map((publisher, i) => publishAll(publisher, `jobs/${i}`, range(i * 200, i * 200 + 200), qos)),
    );
    await expect.poll(() => textsOf(members), POLL).toEqual(sorted(range(0, 400)));
    for (const member of members) {
      expect(member.packets.length).toBeGreaterThan(60);
      expect(member.packets.length).toBeLessThan(140);
    }
  });

  test.each([true, false])("lose nothing when a member leaves, with clean start %s", async (clean) => {
    const stays = await kit.connect(one, { clientId: "stays", clean: true });
    const goes = await kit.connect(two, { clientId: "goes", clean });
    for (const member of [stays, goes]) await member.subscribe({ topic: filter, qos: 1 });
    goes.acknowledges = false;
    const publisher = await kit.connect(two, { clientId: "p", clean: true });
    await publishAll(publisher, "jobs/1", range(0, 100), 1);
    await expect.poll(() => goes.packets.length, POLL).toBeGreaterThan(20);
    goes.cut();
    const sent = goes.packets.splice(0);
    await publishAll(publisher, "jobs/1", range(100, 150), 1);
    for (const { payload } of sent) await expect.poll(() => stays.texts, POLL).toContain(`${payload}`);
    goes.acknowledges = true;
    // What was not sent yet waits in its session.
    if (!clean) await goes.connect(one.port);
    await expect.poll(() => textsOf([stays, goes]), POLL).toEqual(sorted(range(0, 150)));
  });

  test.each([1, 2] as const)("lose nothing with QoS %i when an edge dies", async (qos) => {
    const stays = await kit.connect(one, { clientId: "stays", clean: true });
    const goes = await kit.connect(two, { clientId: "goes", clean: true, receiveMaximum: 1 });
    for (const member of [stays, goes]) await member.subscribe({ topic: filter, qos });
    goes.acknowledges = false;
    const publisher = await kit.connect(one, { clientId: "p", clean: true });
    await publishAll(publisher, "jobs/1", range(0, 100), qos);
    await expect.poll(() => goes.packets.length, POLL).toBe(1);
    two.kill();
    await publishAll(publisher, "jobs/1", range(100, 150), qos);
    // What the dead member had been sent with QoS 2 is no other's.
    const left = qos === 2 ? goes.texts : [];
    const expected = sorted(range(0, 150).filter((text) => !left.includes(text)));
    await expect.poll(() => textsOf([stays]), POLL).toEqual(expected);
  });

  test("keep messages while all members are away", async () => {
    const member = await kit.connect(two, { clientId: "m" });
    await member.subscribe({ topic: filter, qos: 2 });
    member.cut();
    const publisher = await kit.connect(one, { clientId: "p", clean: true });
    await publishAll(publisher, "jobs/1", range(0, 50), 2);
    two.kill();
    await publishAll(publisher, "jobs/1", range(50, 100), 2);
    await member.connect(one.port);
    await expect.poll(() => textsOf([member]), POLL).toEqual(sorted(range(0, 100)));
  });
});

describe("drain", () => {
  test.each([3, 4, 5] as const)("loses nothing of clients with sessions of version %i under load", async (version) => {
    const subscribers = await Promise.all([0, 1, 2].map((i) => kit.connect(two, { clientId: `s${i}`, version })));
    for (const [i, subscriber] of subscribers.entries()) {
      await subscriber.subscribe({ topic: "q/#", qos: i === 0 ? 1 : 2 });
    }
    const publishers = await Promise.all(
      [one, two].map((edge) => kit.connect(edge, { clientId: `p-${edge.name}`, version })),
    );
    const texts = range(0, 400);
    let sent = 0;
    const sending = publishers.map(async (publisher, i) => {
      for (const text of texts) {
        // A few at a time.
        await expect.poll(() => publisher.unacknowledged, POLL).toBeLessThan(20);
        void publisher.publish(`q/${i}`, text, 2).then(() => sent++);
      }
    });
    await expect.poll(() => sent, POLL).toBeGreaterThan(100);
    const drained = two.broker.drain();
    expect(two.broker.health().ready).toBe(false);
    for (const device of [...subscribers, publishers[1]]) {
      if (device === undefined) continue;
      await expect.poll(() => device.isConnected, POLL).toBe(false);
      expect(device.ends).toEqual([version === 5 ? 0x9c : -1]);
      await device.connect(one.port);
      expect(device.connack?.sessionPresent).toBe(version > 3);
    }
    expect(await drained).toMatchObject({ clients: 4, unfinished: 0, others: 1 });
    await expect(kit.connect(two, { clientId: "new" })).rejects.toThrow("closed");
    await Promise.all(sending);
    await expect.poll(() => sent, POLL).toBe(800);
    for (const [i, subscriber] of subscribers.entries()) {
      for (const [p] of publishers.entries()) {
        const got = () =>
          subscriber.packets.filter(({ topic }) => topic === `q/${p}`).map(({ payload }) => `${payload}`);
        await expect.poll(() => new Set(got()).size, POLL).toBe(texts.length);
        if (i > 0) expect(got()).toEqual(texts);
      }
    }
    // Each reading once: a repeat has the time of its first receipt.
    const stored = [one, two].flatMap(({ gate }) =>
      gate.messages.map(({ topic, payload, receivedAtUs }) => `${topic} ${Buffer.from(payload)} ${receivedAtUs}`),
    );
    expect(new Set(stored).size).toBe(800);
  });

  test("sends no wills, and says so when there is no other edge", async () => {
    const watcher = await kit.connect(one, { clientId: "watcher", clean: true });
    await watcher.subscribe({ topic: "#", qos: 1 });
    const device = await kit.connect(two, { clientId: "c", will: { topic: "will", payload: "gone", qos: 1 } });
    await two.broker.drain();
    await device.connect(one.port);
    const last = await kit.connect(one, { clientId: "last" });
    await one.broker.drain();
    await expect.poll(() => [device.ends, last.ends, watcher.ends], POLL).toEqual([[0x9c, 0x8b], [0x8b], [0x8b]]);
    expect(watcher.texts).toEqual([]);
  });
});

describe("wills and sessions of a dead edge", () => {
  test.each([
    [1, false],
    [1, true],
    [2, true],
  ] as const)("a will with QoS %i is sent by another edge, once, with clean start %s", async (qos, clean) => {
    const three = await kit.open("three");
    const watcher = await kit.connect(one, { clientId: "watcher", clean: true });
    await watcher.subscribe({ topic: "wills/#", qos: 2 });
    const topics = Array.from({ length: 20 }, (_, i) => `wills/${i}`);
    const will = (topic: string) => ({ topic, payload: "gone", qos });
    for (const topic of topics) await kit.connect(two, { clientId: topic.replace("/", "-"), clean, will: will(topic) });
    const back = await kit.connect(two, { clientId: "back", clean, will: will("wills/back") });
    const polite = await kit.connect(two, { clientId: "polite", clean, will: will("wills/polite") });
    polite.disconnect();
    const cut = await kit.connect(two, { clientId: "cut", clean, will: will("wills/cut") });
    cut.cut();
    await expect.poll(() => watcher.texts, POLL).toEqual(["gone"]);
    two.kill();
    await back.connect(three.port);
    await expect.poll(() => watcher.packets.length, POLL).toBeGreaterThan(topics.length);
    // What comes after all wills would come after a second one of each.
    const left = await kit.connect(one, { clientId: "end", clean, will: will("wills/end") });
    left.cut();
    await expect.poll(() => watcher.packets.at(-1)?.topic, POLL).toBe("wills/end");
    const sent = watcher.packets.map(({ topic }) => topic);
    expect(sent.sort()).toEqual([...topics, "wills/cut", "wills/end"].sort());
  });

  test("its sessions expire", async () => {
    await two.stop();
    two = await kit.open("two", { limits: { session_expiry: "1s" } });
    const device = await kit.connect(two, { clientId: "c" });
    two.kill();
    const isDeleted = (text: string) => /"clientId":"c".*session deleted/.test(text);
    await expect.poll(() => one.warnings.some(isDeleted), POLL).toBe(true);
    await device.connect(one.port);
    expect(device.connack?.sessionPresent).toBe(false);
  });

  test("its clients come back at another edge to what they have missed", async () => {
    const device = await kit.connect(two, { clientId: "c" });
    await device.subscribe({ topic: "a", qos: 2 });
    const publisher = await kit.connect(one, { clientId: "p", clean: true });
    await publishAll(publisher, "a", range(0, 50), 2);
    two.kill();
    await publishAll(publisher, "a", range(50, 100), 2);
    await device.connect(one.port);
    expect(device.connack?.sessionPresent).toBe(true);
    await expect.poll(() => device.texts, POLL).toEqual(range(0, 100));
  });
});

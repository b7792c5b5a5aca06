import { type Check, check } from "../scene/check.ts";

/** Wills. */

export const WILL_CHECKS: readonly Check[] = [
  ...([0, 1, 2] as const).map((qos) =>
    check(
      `a broken connection publishes the will of QoS ${qos}`,
      {
        4: ["3.1.2-8", "3.1.2-14", "3.1.2-16"],
        5: ["3.1.2-7", "3.1.2-8", "3.1.2-12", "3.1.2-14"],
      },
      async (t) => {
        const topic = t.topic("will");
        const { subscriber, publisher } = await t.pair(topic);
        const client = await t.connect({ id: t.id(), will: { topic, payload: "gone", qos } });
        await client.ping();
        client.cut();
        const will = await subscriber.message();
        t.equal([will.payload, will.qos, will.retain], ["gone", qos, false], "the will");
        const later = await t.connect();
        await later.subscribe(topic);
        t.equal(
          await t.before({ from: publisher, to: later, topic }),
          [],
          "a retained will that was not to be retained",
        );
      },
    ),
  ),
  check("a retained will is retained", { 4: ["3.1.2-17"], 5: ["3.1.2-15"] }, async (t) => {
    const topic = t.topic("will");
    const { subscriber, publisher } = await t.pair(topic);
    const client = await t.connect({ id: t.id(), will: { topic, payload: "gone", qos: 1, retain: true } });
    client.cut();
    t.equal((await subscriber.message()).retain, false, "the retain flag of the live will");
    const later = await t.connect();
    await later.subscribe(topic);
    const will = await later.message();
    t.equal([will.payload, will.qos, will.retain], ["gone", 1, true], "the retained will");
    await publisher.publish(topic, "", { retain: true, qos: 1 });
  }),
  check(
    "DISCONNECT discards the will",
    {
      4: ["3.14.4-3", "3.1.2-8", "3.1.2-10"],
      5: ["3.14.4-3", "3.1.2-8", "3.1.2-10"],
    },
    async (t) => {
      const topic = t.topic("will");
      const { subscriber, publisher } = await t.pair(topic);
      const client = await t.connect({ id: t.id(), will: { topic, payload: "gone", qos: 1 } });
      await client.leave();
      // The next connection of this client has no will: nothing of the old one is left.
      const next = await t.connect({ id: t.id() });
      next.cut();
      t.equal(await t.before({ from: publisher, to: subscriber, topic }), [], "wills after DISCONNECT");
    },
  ),
  check("a will is published once", { 4: ["3.1.2-10", "3.1.2-12"], 5: ["3.1.2-10"] }, async (t) => {
    const topic = t.topic("will");
    const { subscriber, publisher } = await t.pair(topic);
    const client = await t.persistent(t.id(), { will: { topic, payload: "gone", qos: 1 } });
    client.cut();
    t.equal((await subscriber.message()).payload, "gone", "the will");
    const again = await t.persistent(t.id());
    again.cut();
    const last = await t.persistent(t.id());
    await last.ping();
    t.equal(await t.before({ from: publisher, to: subscriber, topic }), [], "further wills");
  }),
  check(
    "a takeover publishes the will of the first connection",
    {
      4: ["3.1.2-8"],
      5: ["3.1.2-8"],
    },
    async (t) => {
      const topic = t.topic("will");
      const { subscriber } = await t.pair(topic);
      const first = await t.connect({ id: t.id(), will: { topic, payload: "taken over", qos: 1 } });
      await t.connect({ id: t.id() });
      await first.untilClosed("a takeover");
      t.equal((await subscriber.message()).payload, "taken over", "the will");
    },
  ),
  check("an empty will is published", { 4: ["3.1.2-9"], 5: ["3.1.2-9"] }, async (t) => {
    const topic = t.topic("will");
    const { subscriber } = await t.pair(topic);
    const client = await t.connect({ id: t.id(), will: { topic, payload: "", qos: 1 } });
    client.cut();
    t.equal((await subscriber.message()).payload, "", "the will");
  }),
  check("DISCONNECT 0x04 publishes the will", { 5: ["3.1.2-8"] }, async (t) => {
    const topic = t.topic("will");
    const { subscriber } = await t.pair(topic);
    const client = await t.connect({ id: t.id(), will: { topic, payload: "with will", qos: 1 } });
    await client.leave(0x04);
    t.equal((await subscriber.message()).payload, "with will", "the will");
  }),
  check("a will has its properties, in order", { 5: ["3.1.3-10", "3.3.2-4", "3.3.2-20"] }, async (t) => {
    const topic = t.topic("will");
    const { subscriber } = await t.pair(topic);
    const user = [
      ["b", "2"],
      ["a", "1"],
      ["b", "3"],
    ] as const;
    const properties = {
      ...{ user, payloadFormat: 1, contentType: "text/plain", responseTopic: "to/me" },
      ...{ correlationData: Buffer.from([1, 0, 255]), messageExpiry: 100 },
    };
    const client = await t.connect({ id: t.id(), will: { topic, payload: "gone", qos: 1, properties } });
    client.cut();
    const { messageExpiry = 0, correlationData, ...rest } = (await subscriber.message()).properties;
    const { messageExpiry: _expiry, correlationData: sent, ...expected } = properties;
    t.equal(sorted(rest), sorted(expected), "the will's properties");
    t.ok(sent.equals(correlationData ?? Buffer.alloc(0)), "the correlation data");
    t.ok(messageExpiry > 90 && messageExpiry <= 100, `the message expiry is ${messageExpiry}`);
  }),
  check("a will waits for its delay", { 5: ["3.1.2-7", "3.1.2-8"] }, async (t) => {
    const topic = t.topic("will");
    const { subscriber, publisher } = await t.pair(topic);
    const will = { topic, payload: "late", qos: 1 as const, properties: { willDelay: 2 } };
    const client = await t.persistent(t.id(), { will });
    const sinceMs = performance.now();
    client.cut();
    t.equal(await t.before({ from: publisher, to: subscriber, topic }), [], "a will before its delay");
    t.equal((await subscriber.message()).payload, "late", "the will");
    const afterMs = performance.now() - sinceMs;
    t.ok(afterMs >= 1_900, `the will came after ${afterMs.toFixed(0)} ms`);
  }),
  check("a reconnect within the will delay keeps the will back", { 5: ["3.1.3-9", "3.1.2-8"] }, async (t) => {
    const topic = t.topic("will");
    const { subscriber, publisher } = await t.pair(topic);
    const will = { topic, payload: "late", qos: 1 as const, properties: { willDelay: 1 } };
    const client = await t.persistent(t.id(), { will });
    client.cut();
    const again = await t.persistent(t.id());
    t.equal(again.connack?.sessionPresent, true, "session present");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    t.equal(await t.before({ from: publisher, to: subscriber, topic }), [], "wills");
  }),
  check("the end of the session publishes the will before its delay", { 5: ["3.1.2-8"] }, async (t) => {
    const topic = t.topic("will");
    const { subscriber } = await t.pair(topic);
    const will = { topic, payload: "session over", qos: 1 as const, properties: { willDelay: 3_600 } };
    const brief = await t.persistent(t.id("brief"), { will, properties: { sessionExpiry: 1 } });
    brief.cut();
    t.equal((await subscriber.message()).payload, "session over", "the will after the session's expiry");
    const cleaned = await t.persistent(t.id("cleaned"), { will });
    cleaned.cut();
    await t.persistent(t.id("cleaned"), { clean: true });
    t.equal((await subscriber.message()).payload, "session over", "the will after a clean start");
    const without = await t.connect({ id: t.id("without"), will });
    without.cut();
    t.equal((await subscriber.message()).payload, "session over", "the will of a session without expiry");
  }),
];

function sorted(record: object): readonly (readonly [string, unknown])[] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

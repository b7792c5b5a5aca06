import { type Check, check } from "../scene/check.ts";
import { acknowledgement, publishPacket } from "../wire/build.ts";
import { packet, prefixed } from "../wire/bytes.ts";
import { type Properties, properties } from "../wire/properties.ts";

/** MQTT 5: what is passed on, expiry, topic aliases, subscription identifiers, no local. */

export const PROPERTY_CHECKS: readonly Check[] = [
  check(
    "properties of a message are passed on unaltered",
    {
      5: ["3.3.2-4", "3.3.2-15", "3.3.2-16", "3.3.2-17", "3.3.2-18", "3.3.2-20", "2.2.2-1"],
    },
    async (t) => {
      const topic = t.topic("a");
      const { publisher, subscriber } = await t.pair(topic);
      const user = [
        ["z", "1"],
        ["a", "2"],
        ["z", "1"],
        ["", ""],
        ["\ufeffk", "\u{1f600}"],
      ] as const;
      const all: Properties[] = [
        {},
        { payloadFormat: 0 },
        { payloadFormat: 1, contentType: "text/plain; charset=utf-8", responseTopic: "to/me", user },
        { correlationData: Buffer.from([0, 255, 10, 0]), user: [["one", "1"]] },
        { contentType: "", correlationData: Buffer.alloc(0) },
      ];
      for (const [n, sent] of all.entries()) {
        for (const qos of [0, 1, 2] as const) {
          await publisher.publish(topic, "x", { qos, properties: sent });
          const got = (await subscriber.message()).properties;
          t.equal(comparable(got), comparable(sent), `the properties of message ${n} with QoS ${qos}`);
        }
      }
    },
  ),
  check(
    "properties of retained and stored messages are passed on",
    {
      5: ["3.3.2-4", "3.3.2-15", "3.3.2-16", "3.3.2-17", "3.3.2-18", "3.3.2-20"],
    },
    async (t) => {
      const topic = t.topic("a");
      const absent = await t.persistent(t.id());
      await absent.subscribe(topic);
      await absent.leave();
      const sent: Properties = {
        ...{ payloadFormat: 1, contentType: "a/b", responseTopic: "to/me", correlationData: Buffer.from([1, 2]) },
        user: [
          ["b", "1"],
          ["a", "2"],
          ["b", "3"],
        ],
      };
      await (await t.connect()).publish(topic, "x", { qos: 1, retain: true, properties: sent });
      const later = await t.connect();
      await later.subscribe(topic);
      t.equal(comparable((await later.message()).properties), comparable(sent), "the retained message's properties");
      const again = await t.persistent(t.id());
      t.equal(comparable((await again.message()).properties), comparable(sent), "the stored message's properties");
    },
  ),
  check(
    "a message expiry counts down, and expired messages are not delivered",
    {
      5: ["3.3.2-5", "3.3.2-6"],
    },
    async (t) => {
      const topic = t.topic("a");
      const first = await t.persistent(t.id());
      await first.subscribe(topic);
      await first.leave();
      const publisher = await t.connect();
      await publisher.publish(topic, "brief", { qos: 1, properties: { messageExpiry: 1 } });
      await publisher.publish(topic, "long", { qos: 2, properties: { messageExpiry: 100 } });
      await publisher.publish(topic, "forever", { qos: 1 });
      await new Promise((resolve) => setTimeout(resolve, 2_100));
      const again = await t.persistent(t.id());
      const long = await again.message();
      const left = long.properties.messageExpiry ?? 0;
      t.equal(long.payload, "long", "the first message");
      t.ok(left >= 80 && left <= 98, `the expiry is ${left}, after 2.1 of 100 seconds`);
      const forever = await again.message();
      t.equal([forever.payload, forever.properties.messageExpiry], ["forever", undefined], "the second message");
    },
  ),
  check("a message that was sent does not expire", { 5: ["4.3.3-7", "4.3.3-13", "4.4.0-1"] }, async (t) => {
    const topic = t.topic("a");
    const first = await t.persistent(t.id());
    await first.subscribe(topic);
    const publisher = await t.connect();
    await publisher.publish(topic, "sent", { qos: 2, properties: { messageExpiry: 1 } });
    const { id } = await first.next("publish");
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    first.acknowledge("pubrec", id);
    await first.next("pubrel", id);
    first.acknowledge("pubcomp", id);
    await first.ping();
    t.equal(first.received, [], "further packets");
  }),
  check("topic aliases of a client", { 5: ["3.3.2-12", "3.3.2-7", "3.3.2-9", "3.2.2-17"] }, async (t) => {
    const publisher = await t.connect();
    const max = publisher.connack?.properties.topicAliasMaximum ?? 0;
    const subscriber = await t.connect();
    await subscriber.subscribe(t.topic("#"));
    for (const topicAlias of new Set([1, Math.ceil(max / 2), max].filter((each) => each >= 1 && each <= max))) {
      const named = (topic: string, text: string) =>
        publisher.send(publishPacket(5, topic, text, { qos: 1, id: publisher.nextId(), properties: { topicAlias } }));
      named(t.topic("a"), "named");
      named("", "alias");
      named(t.topic("b"), "renamed");
      named("", "alias again");
      const topics = [];
      for (let n = 0; n < 4; n++) topics.push((await subscriber.message()).topic);
      t.equal(
        topics,
        ["a", "a", "b", "b"].map((name) => t.topic(name)),
        `topics of alias ${topicAlias}`,
      );
    }
    const alias = (topicAlias: number) => packet(0x30, prefixed(""), properties({ topicAlias }), Buffer.from("x"));
    if (max < 65_535) {
      const bytes = packet(0x30, prefixed(t.topic("a")), properties({ topicAlias: max + 1 }), Buffer.from("x"));
      await t.refused(bytes, { why: "a topic alias above the maximum", codes: [0x94, 0x82] });
    }
    if (max > 0) await t.refused(alias(1), { why: "an unknown topic alias", codes: [0x82, 0x94, 0x90] });
  }),
  check("topic aliases of the server keep to the client's maximum", { 5: ["3.3.2-3"] }, async (t) => {
    for (const topicAliasMaximum of [0, 1, 3]) {
      const subscriber = await t.connect({ properties: topicAliasMaximum === 0 ? {} : { topicAliasMaximum } });
      await subscriber.subscribe(t.topic(`${topicAliasMaximum}/#`));
      const publisher = await t.connect();
      for (let n = 0; n < 20; n++) {
        const topic = t.topic(`${topicAliasMaximum}/${n % 5}`);
        await publisher.publish(topic, topic, { qos: n % 2 === 0 ? 0 : 1 });
        const message = await subscriber.message();
        t.equal(message.topic, message.payload, "the topic");
      }
    }
  }),
  check(
    "a message has the identifiers of the matching subscriptions",
    {
      5: ["3.3.4-3", "3.3.4-4", "3.3.4-5", "3.3.4-2"],
    },
    async (t) => {
      const topic = t.topic("a/b");
      const subscriber = await t.connect();
      const wishes = [
        [t.topic("a/b"), 1],
        [t.topic("a/+"), 268_435_455],
        [t.topic("a/#"), 0],
        [t.topic("c"), 3],
      ] as const;
      for (const [filter, id] of wishes) {
        await subscriber.subscribe([{ filter, qos: 1 }], id === 0 ? {} : { subscriptionIds: [id] });
      }
      const publisher = await t.connect();
      await publisher.publish(topic, "x", { qos: 1 });
      await publisher.publish(t.topic("c"), "y", { qos: 1 });
      const got: (readonly number[])[] = [];
      for (;;) {
        const { payload, properties: props } = await subscriber.message();
        if (payload === "y") {
          t.equal(props.subscriptionIds, [3], "the identifier of the other message");
          break;
        }
        got.push(props.subscriptionIds ?? []);
      }
      t.equal(got.flat().sort(), [1, 268_435_455], "identifiers of all copies");
      t.ok(got.length === 1 || got.every((ids) => ids.length <= 1), "several copies with several identifiers each");
    },
  ),
  check("subscribing again replaces the identifier and the options", { 5: ["3.8.4-3"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher } = await t.pair(topic);
    const subscriber = await t.connect();
    for (const [qos, id] of [
      [2, 5],
      [1, 6],
      [0, 0],
    ] as const) {
      const ids = id === 0 ? {} : { subscriptionIds: [id] };
      await subscriber.subscribe([{ filter: topic, qos, retainHandling: 2 }], ids);
      await publisher.publish(topic, "x", { qos: 2 });
      const message = await subscriber.message();
      t.equal(
        [message.qos, message.properties.subscriptionIds ?? []],
        [qos, id === 0 ? [] : [id]],
        "QoS and identifier",
      );
    }
  }),
  check("identifiers stay with a session and its stored messages", { 5: ["3.3.4-3", "3.3.4-4"] }, async (t) => {
    const topic = t.topic("a");
    const first = await t.persistent(t.id());
    await first.subscribe([{ filter: topic, qos: 1 }], { subscriptionIds: [9] });
    await first.leave();
    await (await t.connect()).publish(topic, "x", { qos: 1 });
    const again = await t.persistent(t.id());
    t.equal((await again.message()).properties.subscriptionIds, [9], "the identifier of a stored message");
  }),
  check("no local keeps a client's own messages from it", { 5: ["3.8.3-3"] }, async (t) => {
    const topic = t.topic("a");
    const client = await t.persistent(t.id());
    await client.subscribe([{ filter: topic, qos: 2, noLocal: true }]);
    const other = await t.connect();
    for (const qos of [0, 1, 2] as const) {
      await client.publish(topic, "own", { qos });
      await client.ping();
      await other.publish(topic, "other", { qos });
      t.equal((await client.message()).payload, "other", `the message of QoS ${qos}`);
    }
    await client.subscribe([{ filter: t.topic("+"), qos: 2 }]);
    await client.publish(topic, "own", { qos: 1 });
    t.equal((await client.message()).payload, "own", "its own message, by a subscription with local messages");
  }),
  check("CONNACK's limits are meant", { 5: ["3.2.2-15", "4.13.1-1"] }, async (t) => {
    const client = await t.connect();
    const { maximumPacketSize } = client.connack?.properties ?? {};
    if (maximumPacketSize === undefined || maximumPacketSize > 2 ** 24) return;
    const body = Buffer.alloc(maximumPacketSize);
    await t.refused(publishPacket(5, t.topic("a"), body), {
      client,
      why: "a packet above the maximum size",
      codes: [0x95],
    });
  }),
  check("reasons and user properties of a client's acknowledgements are accepted", { 5: ["2.2.1-5"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher, subscriber } = await t.pair(topic);
    const props: Properties = { reason: "fine", user: [["a", "b"]] };
    await publisher.publish(topic, "1", { qos: 1 });
    subscriber.acknowledge("puback", (await subscriber.next("publish")).id, 0x10, props);
    await publisher.publish(topic, "2", { qos: 2 });
    const { id } = await subscriber.next("publish");
    subscriber.acknowledge("pubrec", id, 0, props);
    await subscriber.next("pubrel", id);
    subscriber.acknowledge("pubcomp", id, 0, props);
    publisher.send(publishPacket(5, topic, "3", { qos: 2, id: 99 }));
    await publisher.next("pubrec", 99);
    publisher.send(acknowledgement("pubrel", 99, 0, props));
    await publisher.next("pubcomp", 99);
    await subscriber.ping();
  }),
];

/** Without what a subscriber may get besides, in an order that does not matter; bytes as hex. */
function comparable(props: Properties): readonly (readonly [string, unknown])[] {
  return Object.entries(props)
    .filter(([name]) => name !== "subscriptionIds" && name !== "topicAlias")
    .map(([name, value]) => [name, value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

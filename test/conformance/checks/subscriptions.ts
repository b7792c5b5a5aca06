import { type Check, check } from "../scene/check.ts";
import { publishPacket, subscribePacket, unsubscribePacket } from "../wire/build.ts";
import { HEAD, packet, prefixed, u16 } from "../wire/bytes.ts";

/** SUBSCRIBE and UNSUBSCRIBE. */

export const SUBSCRIPTION_CHECKS: readonly Check[] = [
  check(
    "SUBACK has the id, and a code for each filter in order",
    {
      4: ["3.8.4-1", "3.8.4-2", "3.8.4-4", "3.8.4-5", "3.9.3-1", "2.3.1-7"],
      5: ["3.8.4-1", "3.8.4-2", "3.8.4-5", "3.8.4-6", "3.8.4-7", "3.9.3-1", "2.2.1-6", "2.2.2-1"],
    },
    async (t) => {
      const client = await t.connect();
      for (const id of [1, 0x1234, 0xffff]) {
        const wishes = ([2, 0, 1, 1, 2, 0] as const).map((qos, n) => ({ filter: t.topic(`f${n}`), qos }));
        client.send(subscribePacket(t.version, id, wishes));
        const { codes } = await client.next("suback", id);
        t.equal(codes, [2, 0, 1, 1, 2, 0], "codes");
      }
      await client.ping();
      t.equal(client.received, [], "further answers");
    },
  ),
  check("all filters of one packet count", { 4: ["3.8.4-4"], 5: ["3.8.4-5"] }, async (t) => {
    const { version } = t;
    const client = await t.connect();
    // The same filter twice: the second one replaces the first, as in two packets.
    const wishes = [
      { filter: t.topic("a"), qos: 0 as const },
      { filter: t.topic("b"), qos: 1 as const },
      { filter: t.topic("a"), qos: 2 as const },
    ];
    t.equal((await client.subscribe(wishes)).codes, [0, 1, 2], "codes");
    client.send(publishPacket(version, t.topic("a"), "x", { qos: 2, id: 7 }));
    await client.next("pubrec", 7);
    client.send(packet(HEAD.pubrel, u16(7)));
    t.equal((await client.message()).qos, 2, "the QoS of the first message");
    await client.publish(t.topic("b"), "x", { qos: 2 });
    t.equal((await client.message()).qos, 1, "the QoS of the second message");
    await client.ping();
    t.equal(
      client.received.filter(({ kind }) => kind === "publish"),
      [],
      "further messages",
    );
  }),
  check(
    "a message has the lower QoS of both",
    {
      4: ["3.8.4-6", "3.3.4-1", "4.3.1-1"],
      5: ["3.8.4-8", "3.3.4-1"],
    },
    async (t) => {
      const publisher = await t.connect();
      for (const granted of [0, 1, 2] as const) {
        const topic = t.topic(`g${granted}`);
        const subscriber = await t.connect();
        await subscriber.subscribe([{ filter: topic, qos: granted }]);
        for (const qos of [0, 1, 2] as const) {
          await publisher.publish(topic, "x", { qos });
          t.equal((await subscriber.message()).qos, Math.min(qos, granted), `the QoS of ${qos} for ${granted}`);
        }
      }
    },
  ),
  check("overlapping filters count with the highest QoS", { 4: ["3.3.5-1"], 5: ["3.3.4-2"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher } = await t.pair(topic);
    const subscriber = await t.connect();
    const filters = [
      [t.topic("#"), 1],
      [t.topic("a"), 0],
      [t.topic("+"), 2],
    ] as const;
    for (const [filter, qos] of filters) await subscriber.subscribe([{ filter, qos }]);
    await publisher.publish(topic, "x", { qos: 2 });
    const messages = await t.before({ from: publisher, to: subscriber, topic, options: { qos: 0 } });
    const highest = Math.max(...messages.map(({ qos }) => qos));
    t.equal(highest, 2, "the highest QoS");
    t.ok(messages.every(({ payload }) => payload === "x") && messages.length <= 3, "copies for the filters only");
  }),
  check(
    "UNSUBACK has the id, also without such a subscription",
    {
      4: ["3.10.4-4", "3.10.4-5", "3.10.4-6", "2.3.1-7"],
      5: ["3.10.4-4", "3.10.4-5", "3.10.4-6", "3.11.3-1", "2.2.1-6"],
    },
    async (t) => {
      const client = await t.connect();
      await client.subscribe(t.topic("a"));
      await client.subscribe(t.topic("b"));
      const filters = [t.topic("none"), t.topic("a"), t.topic("+"), t.topic("b")];
      client.send(unsubscribePacket(t.version, 0x4321, filters));
      const { codes } = await client.next("unsuback", 0x4321);
      t.equal(codes, t.version === 4 ? [] : [0x11, 0, 0x11, 0], "codes");
      const publisher = await t.connect();
      for (const name of ["a", "b"]) await publisher.publish(t.topic(name), "x", { qos: 1 });
      await client.subscribe(t.topic("marker"));
      t.equal(
        await t.before({ from: publisher, to: client, topic: t.topic("marker") }),
        [],
        "messages after UNSUBSCRIBE",
      );
    },
  ),
  check(
    "UNSUBSCRIBE removes exactly the same filter",
    {
      4: ["3.10.4-1", "3.10.4-2"],
      5: ["3.10.4-1", "3.10.4-2"],
    },
    async (t) => {
      const topic = t.topic("x/a");
      const publisher = await t.connect();
      const subscriber = await t.connect();
      await subscriber.subscribe(t.topic("x/+"));
      for (const other of [t.topic("x/a"), t.topic("x/#"), t.topic("X/+"), t.topic("x/+/"), `/${t.topic("x/+")}`]) {
        await subscriber.unsubscribe(other);
        await publisher.publish(topic, other, { qos: 1 });
        t.equal((await subscriber.message()).payload, other, `the message after UNSUBSCRIBE of ${other}`);
      }
      await subscriber.unsubscribe(t.topic("x/+"));
      await publisher.publish(topic, "after", { qos: 1 });
      await subscriber.subscribe(t.topic("marker"));
      t.equal(await t.before({ from: publisher, to: subscriber, topic: t.topic("marker") }), [], "messages");
    },
  ),
  check("a delivery that has begun is completed after UNSUBSCRIBE", { 4: ["3.10.4-3"], 5: ["3.10.4-3"] }, async (t) => {
    const topic = t.topic("a");
    const subscriber = await t.persistent(t.id());
    await subscriber.subscribe(topic);
    await (await t.connect()).publish(topic, "begun", { qos: 2 });
    const message = await subscriber.next("publish");
    await subscriber.unsubscribe(topic);
    subscriber.acknowledge("pubrec", message.id);
    await subscriber.next("pubrel", message.id);
    subscriber.cut();
    const again = await t.persistent(t.id());
    await again.next("pubrel", message.id);
    again.acknowledge("pubcomp", message.id);
    await again.ping();
    t.equal(again.received, [], "further packets");
  }),
  check("a subscription replaced under load loses nothing", { 4: ["3.8.4-3"], 5: ["3.8.4-4"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher, subscriber } = await t.pair(topic);
    const count = 60;
    const sending = (async () => {
      for (let n = 0; n < count; n++) await publisher.publish(topic, `${n}`, { qos: 1 });
    })();
    for (let n = 0; n < 10; n++) await subscriber.subscribe(topic);
    await sending;
    const got = new Set<string>();
    while (got.size < count) got.add((await subscriber.message()).payload);
    t.equal(
      [...got].map(Number),
      Array.from({ length: count }, (_, n) => n),
      "messages",
    );
  }),
  check(
    "invalid filters are refused",
    {
      4: ["4.7.1-2", "4.7.1-3", "4.7.3-1"],
      5: ["4.7.1-1", "4.7.1-2", "4.7.3-1"],
    },
    async (t) => {
      for (const filter of ["", "a#", "a/#/b", "#/a", "a/b#", "a+", "+a/b", "a/+b", "a/b+/c"]) {
        await refusedFilter(t, filter);
      }
    },
  ),
  check("invalid shared filters are refused", { 5: ["4.8.2-1", "4.8.2-2"] }, async (t) => {
    for (const filter of ["$share//a", "$share/g", "$share/g/", "$share/g+/a", "$share/#/a", "$share/+/a"]) {
      await refusedFilter(t, filter);
    }
  }),
];

/** A filter that must not be granted: the broker refuses it in SUBACK, or closes the connection. */
async function refusedFilter(t: Parameters<Check["run"]>[0], filter: string): Promise<void> {
  const client = await t.connect();
  client.send(packet(HEAD.subscribe, u16(1), t.version === 5 ? [0] : [], prefixed(filter), [1]));
  await client.until(() => client.closed || client.received.length > 0, `an answer to filter "${filter}"`);
  const [answer] = client.received;
  if (answer === undefined) return;
  const codes = t.version === 4 ? [0x80] : [0x80, 0x81, 0x82, 0x87, 0x8f, 0x9e];
  const code = answer.kind === "suback" ? answer.codes[0] : answer.code;
  t.ok(code !== undefined && codes.includes(code), `filter "${filter}" got ${answer.kind} ${code}`);
}

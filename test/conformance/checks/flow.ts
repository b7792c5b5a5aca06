import { type Check, check } from "../scene/check.ts";
import { publishPacket } from "../wire/build.ts";

/** MQTT 5: receive maximum, maximum packet size, refusing acknowledgements, shared subscriptions. */

const SHARE_MESSAGES = 40;

export const FLOW_CHECKS: readonly Check[] = [
  check(
    "the client's receive maximum is kept, and other packets still come",
    {
      5: ["3.3.4-10", "4.9.0-1", "4.9.0-2", "4.9.0-3"],
    },
    async (t) => {
      const topic = t.topic("a");
      const receiveMaximum = 3;
      const { publisher, subscriber } = await t.pair(topic, { properties: { receiveMaximum } });
      for (let n = 0; n < 10; n++) await publisher.publish(topic, `${n}`, { qos: n % 2 === 0 ? 1 : 2 });
      const waiting = [];
      for (let n = 0; n < receiveMaximum; n++) waiting.push(await subscriber.next("publish"));
      await publisher.publish(topic, "QoS 0", { qos: 0 });
      await subscriber.ping();
      await subscriber.subscribe(t.topic("b"));
      await subscriber.unsubscribe(t.topic("b"));
      t.ok(
        subscriber.received.every(({ kind, qos }) => kind === "publish" && qos === 0),
        "more than the receive maximum",
      );
      const got = [];
      for (const message of waiting) {
        await subscriber.finish(message);
        got.push(message.payload);
      }
      while (got.filter((text) => text !== "QoS 0").length < 10) got.push((await subscriber.message()).payload);
      const expected = Array.from({ length: 10 }, (_, n) => `${n}`);
      t.equal(
        got.filter((text) => text !== "QoS 0"),
        expected,
        "all messages, in order",
      );
    },
  ),
  check("a QoS 2 message counts for the receive maximum until PUBCOMP", { 5: ["4.9.0-2"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher, subscriber } = await t.pair(topic, { properties: { receiveMaximum: 1 } });
    for (const text of ["1", "2"]) await publisher.publish(topic, text, { qos: 2 });
    const { id } = await subscriber.next("publish");
    subscriber.acknowledge("pubrec", id);
    await subscriber.next("pubrel", id);
    await subscriber.ping();
    t.equal(subscriber.received, [], "messages before PUBCOMP");
    subscriber.acknowledge("pubcomp", id);
    t.equal((await subscriber.message()).payload, "2", "the next message");
  }),
  check("a refused message frees its place and is not sent again", { 5: ["4.4.0-2", "4.9.0-2"] }, async (t) => {
    const topic = t.topic("a");
    const first = await t.persistent(t.id(), { properties: { receiveMaximum: 1 } });
    await first.subscribe(topic);
    const publisher = await t.connect();
    for (const [n, qos] of ([1, 2, 1] as const).entries()) await publisher.publish(topic, `${n}`, { qos });
    first.acknowledge("puback", (await first.next("publish")).id, 0x83);
    first.acknowledge("pubrec", (await first.next("publish")).id, 0x97);
    t.equal((await first.next("publish")).payload, "2", "the message after both refusals");
    first.cut();
    const again = await t.persistent(t.id());
    t.equal((await again.message()).payload, "2", "the message that was not acknowledged");
    await again.ping();
    t.equal(again.received, [], "refused messages");
  }),
  check("the server's receive maximum is meant", { 5: ["3.3.4-7", "4.3.3-9"] }, async (t) => {
    const client = await t.connect();
    const receiveMaximum = client.connack?.properties.receiveMaximum ?? 65_535;
    if (receiveMaximum > 5_000) return;
    const ids = Array.from({ length: receiveMaximum + 1 }, (_, n) => n + 1);
    client.send(...ids.map((id) => publishPacket(5, t.topic("a"), "x", { qos: 2, id })));
    // The server may refuse some messages; these do not count.
    await client.until(() => client.closed || client.received.length > receiveMaximum, "PUBRECs, or the end");
    const refusals = client.received.filter(({ kind, code }) => kind === "pubrec" && code >= 0x80);
    const farewell = client.received.find(({ kind }) => kind === "disconnect");
    t.ok(client.closed || farewell !== undefined || refusals.length > 0, "more than the receive maximum was accepted");
    if (farewell !== undefined) t.equal(farewell.code, 0x93, "the DISCONNECT code");
  }),
  check("a message above the client's maximum packet size counts as delivered", { 5: ["3.1.2-25"] }, async (t) => {
    const topic = t.topic("a");
    const properties = { maximumPacketSize: 200, receiveMaximum: 1 };
    const { publisher, subscriber } = await t.pair(topic, { properties });
    for (const qos of [0, 1, 2] as const) await publisher.publish(topic, "x".repeat(1_000), { qos });
    await publisher.publish(topic, "small", { qos: 1 });
    t.equal((await subscriber.message()).payload, "small", "the message that fits");
  }),
  check("of a shared subscription, one member gets each message", { 5: ["4.8.2-3", "4.8.2-1"] }, async (t) => {
    const topic = t.topic("a");
    const members = [await t.connect(), await t.connect(), await t.connect()];
    for (const [qos, member] of members.entries()) {
      await member.subscribe([{ filter: `$share/g/${t.topic("+")}`, qos: qos === 0 ? 0 : qos === 1 ? 1 : 2 }]);
    }
    const { publisher, subscriber } = await t.pair(topic);
    for (let n = 0; n < SHARE_MESSAGES; n++) await publisher.publish(topic, `${n}`, { qos: 2 });
    const got: { readonly member: number; readonly text: string }[] = [];
    await Promise.all(
      members.map(async (member, index) => {
        for (;;) {
          await member.until(() => got.length >= SHARE_MESSAGES || member.received.length > 0, "shared messages");
          if (member.received.length === 0) return;
          const { qos, payload } = await member.message();
          t.ok(qos <= index, `QoS ${qos} for a member with ${index}`);
          got.push({ member: index, text: payload });
        }
      }),
    );
    const texts = got.map(({ text }) => Number(text)).sort((a, b) => a - b);
    t.equal(
      texts,
      Array.from({ length: SHARE_MESSAGES }, (_, n) => n),
      "messages of all members",
    );
    for (let n = 0; n < SHARE_MESSAGES; n++)
      t.equal((await subscriber.message()).payload, `${n}`, "a message not shared");
  }),
  check(
    "a broken QoS 2 delivery of a shared subscription is completed with the same client",
    { 5: ["4.8.2-4"] },
    async (t) => {
      const topic = t.topic("a");
      const filter = `$share/g/${topic}`;
      const first = await t.persistent(t.id());
      await first.subscribe([{ filter, qos: 2 }]);
      const publisher = await t.connect();
      await publisher.publish(topic, "x", { qos: 2 });
      const { id } = await first.next("publish");
      first.acknowledge("pubrec", id);
      await first.next("pubrel", id);
      const second = await t.connect();
      await second.subscribe([{ filter, qos: 2 }]);
      first.cut();
      const again = await t.persistent(t.id());
      await again.next("pubrel", id);
      again.acknowledge("pubcomp", id);
      await second.ping();
      t.equal(second.received, [], "messages for another member");
    },
  ),
  check("a begun QoS 2 delivery goes to nobody else when the session ends", { 5: ["4.8.2-5"] }, async (t) => {
    const topic = t.topic("a");
    const filter = `$share/g/${topic}`;
    const first = await t.connect();
    await first.subscribe([{ filter, qos: 2 }]);
    const publisher = await t.connect();
    await publisher.publish(topic, "x", { qos: 2 });
    const { id } = await first.next("publish");
    first.acknowledge("pubrec", id);
    await first.next("pubrel", id);
    const second = await t.connect();
    await second.subscribe([{ filter, qos: 2 }]);
    await first.leave();
    await publisher.publish(topic, "y", { qos: 2 });
    t.equal((await second.message()).payload, "y", "the next message");
  }),
  check("a message that its receiver refuses goes to nobody else", { 5: ["4.8.2-6"] }, async (t) => {
    const topic = t.topic("a");
    const filter = `$share/g/${topic}`;
    const members = [await t.connect(), await t.connect()];
    for (const member of members) await member.subscribe([{ filter, qos: 2 }]);
    const publisher = await t.connect();
    for (const qos of [1, 2] as const) {
      await publisher.publish(topic, "refused", { qos });
      const [a, b] = members;
      if (a === undefined || b === undefined) return;
      await a.until(() => a.received.length + b.received.length > 0, "the shared message");
      const taker = a.received.length > 0 ? a : b;
      const { id } = await taker.next("publish");
      taker.acknowledge(qos === 1 ? "puback" : "pubrec", id, 0x83);
      for (const member of members) await member.ping();
      t.equal([...a.received, ...b.received], [], "the refused message again");
    }
  }),
  check(
    "leaving a shared subscription leaves its messages to the others",
    { 5: ["4.8.2-1", "3.10.4-2"] },
    async (t) => {
      const topic = t.topic("a");
      const filter = `$share/g/${topic}`;
      const [first, second] = [await t.connect(), await t.connect()];
      for (const member of [first, second]) await member.subscribe([{ filter, qos: 1 }]);
      t.equal((await first.unsubscribe(topic)).codes, [0x11], "the code for the filter without share");
      t.equal((await first.unsubscribe(filter)).codes, [0], "the code for the shared filter");
      const publisher = await t.connect();
      for (let n = 0; n < 5; n++) {
        await publisher.publish(topic, `${n}`, { qos: 1 });
        t.equal((await second.message()).payload, `${n}`, "a message of the remaining member");
      }
      await first.ping();
      t.equal(first.received, [], "messages of the member that left");
    },
  ),
];

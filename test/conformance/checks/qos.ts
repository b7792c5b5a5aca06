import { type Check, check } from "../scene/check.ts";
import { acknowledgement, publishPacket } from "../wire/build.ts";
import { HEAD, packet, u16 } from "../wire/bytes.ts";

/** QoS 1 and 2, in both directions, and the order of messages. */

export const QOS_CHECKS: readonly Check[] = [
  check(
    "a publish is answered by its QoS, with its id",
    {
      4: ["3.3.4-1", "4.3.2-2", "4.3.3-2", "2.3.1-6", "2.3.1-5"],
      5: ["3.3.4-1", "4.3.2-4", "4.3.3-8", "4.3.3-11", "2.2.1-5", "2.2.1-2"],
    },
    async (t) => {
      const client = await t.connect();
      const topic = t.topic("a");
      for (const id of [1, 0x1234, 0xffff]) {
        client.send(publishPacket(t.version, topic, "x", { qos: 1, id }));
        await client.next("puback", id);
        client.send(publishPacket(t.version, topic, "x", { qos: 2, id }));
        await client.next("pubrec", id);
        client.send(acknowledgement("pubrel", id));
        await client.next("pubcomp", id);
        client.send(publishPacket(t.version, topic, "x"));
        await client.ping();
        t.equal(client.received, [], "further answers");
      }
    },
  ),
  check(
    "after PUBACK an id means a new message, whatever DUP says",
    {
      4: ["4.3.2-2", "3.3.1-3"],
      5: ["4.3.2-5", "3.3.1-3", "4.3.2-2"],
    },
    async (t) => {
      const topic = t.topic("a");
      const { publisher, subscriber } = await t.pair(topic);
      for (const [text, dup] of [
        ["one", false],
        ["two", true],
        ["three", false],
      ] as const) {
        await publisher.publish(topic, text, { qos: 1, id: 9, dup });
        const message = await subscriber.message();
        t.equal([message.payload, message.dup], [text, false], "the message and its DUP");
      }
    },
  ),
  check(
    "a repeated QoS 2 message gets PUBREC, and is delivered once",
    {
      4: ["4.3.3-2", "3.3.1-3"],
      5: ["4.3.3-10", "4.3.3-2", "3.3.1-3"],
    },
    async (t) => {
      const topic = t.topic("a");
      const { publisher, subscriber } = await t.pair(topic);
      for (const dup of [false, true, true]) {
        publisher.send(publishPacket(t.version, topic, "once", { qos: 2, id: 7, dup }));
        await publisher.next("pubrec", 7);
      }
      publisher.send(acknowledgement("pubrel", 7));
      await publisher.next("pubcomp", 7);
      const message = await subscriber.message();
      t.equal([message.payload, message.dup], ["once", false], "the message");
      t.equal(await t.before({ from: publisher, to: subscriber, topic }), [], "further copies");
    },
  ),
  check("after PUBCOMP an id means a new message", { 4: ["4.3.3-2"], 5: ["4.3.3-12"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher, subscriber } = await t.pair(topic);
    for (const [text, dup] of [
      ["one", false],
      ["two", true],
      ["three", false],
    ] as const) {
      await publisher.publish(topic, text, { qos: 2, id: 9, dup });
      t.equal((await subscriber.message()).payload, text, "the message");
    }
  }),
  check("PUBREL gets PUBCOMP, also again", { 4: ["4.3.3-2"], 5: ["4.3.3-11"] }, async (t) => {
    const client = await t.connect();
    await client.publish(t.topic("a"), "x", { qos: 2, id: 5 });
    client.send(acknowledgement("pubrel", 5));
    const { code } = await client.next("pubcomp", 5);
    t.ok(code === 0 || code === 0x92, `the code of the second PUBCOMP is ${code}`);
  }),
  check("PUBLISH and PUBREL in one write", { 4: ["4.3.3-2"], 5: ["4.3.3-8", "4.3.3-11"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher, subscriber } = await t.pair(topic);
    publisher.send(publishPacket(t.version, topic, "x", { qos: 2, id: 3 }), acknowledgement("pubrel", 3));
    await publisher.next("pubrec", 3);
    await publisher.next("pubcomp", 3);
    t.equal((await subscriber.message()).payload, "x", "the message");
    // The id is free again.
    await publisher.publish(topic, "y", { qos: 2, id: 3 });
    t.equal((await subscriber.message()).payload, "y", "the next message with that id");
  }),
  check(
    "a QoS 2 message survives a break before PUBREL",
    { 4: ["4.3.3-2", "4.1.0-1"], 5: ["4.3.3-10", "3.1.2-23"] },
    async (t) => {
      const topic = t.topic("a");
      const { publisher: other, subscriber } = await t.pair(topic);
      const first = await t.persistent(t.id());
      first.send(publishPacket(t.version, topic, "once", { qos: 2, id: 11 }));
      await first.next("pubrec", 11);
      first.cut();
      const again = await t.persistent(t.id());
      again.send(publishPacket(t.version, topic, "once", { qos: 2, id: 11, dup: true }));
      await again.next("pubrec", 11);
      again.send(acknowledgement("pubrel", 11));
      await again.next("pubcomp", 11);
      t.equal((await subscriber.message()).payload, "once", "the message");
      t.equal(await t.before({ from: other, to: subscriber, topic }), [], "further copies");
    },
  ),
  check(
    "acknowledgements come in the order of the messages",
    {
      4: ["4.6.0-2", "4.6.0-3", "4.6.0-4"],
      5: ["3.3.4-1"],
    },
    async (t) => {
      const client = await t.connect();
      const topic = t.topic("a");
      // Not more than brokers usually have in flight to one client.
      const ids = Array.from({ length: 16 }, (_, n) => 100 + n);
      const qosOf = (id: number) => (id % 2 === 0 ? 1 : 2);
      client.send(...ids.map((id) => publishPacket(t.version, topic, `${id}`, { qos: qosOf(id), id })));
      for (const id of ids) await client.next(qosOf(id) === 1 ? "puback" : "pubrec", id);
      const subscriber = await t.connect();
      await subscriber.subscribe(topic);
      client.send(...ids.filter((id) => qosOf(id) === 2).map((id) => acknowledgement("pubrel", id)));
      for (const id of ids.filter((each) => qosOf(each) === 2)) await client.next("pubcomp", id);
      const order = client.received.map(({ kind, id }) => `${kind} ${id}`);
      t.equal(order, [], "further answers");
      for (const id of ids) {
        client.send(publishPacket(t.version, topic, `${id}`, { qos: 2, id }), acknowledgement("pubrel", id));
      }
      const messages = [];
      for (const _ of ids) messages.push(await subscriber.next("publish"));
      for (const { id } of messages) subscriber.acknowledge("pubrec", id);
      const pubrels = () => subscriber.received.filter(({ kind }) => kind === "pubrel");
      await subscriber.until(() => pubrels().length >= ids.length, "the PUBRELs");
      t.equal(
        pubrels().map(({ id }) => id),
        messages.map(({ id }) => id),
        "PUBRELs",
      );
    },
  ),
  check("PUBACKs and PUBRECs are in order on the wire", { 4: ["4.6.0-2", "4.6.0-3"], 5: ["3.3.4-1"] }, async (t) => {
    const client = await t.connect();
    const ids = Array.from({ length: 60 }, (_, n) => 1 + n);
    for (const qos of [1, 2] as const) {
      client.send(...ids.map((id) => publishPacket(t.version, t.topic("a"), "x", { qos, id })));
      await client.until(() => client.received.length >= ids.length, "the acknowledgements");
      t.equal(
        client.received.splice(0).map(({ id }) => id),
        ids,
        `acknowledgements of QoS ${qos}`,
      );
    }
  }),
  ...([0, 1, 2] as const).map((qos) =>
    check(
      `messages of QoS ${qos} arrive in order`,
      {
        4: ["4.6.0-5", "4.6.0-6", "4.3.2-1", "7.1.1-1"],
        5: ["4.6.0-5", "4.6.0-6", "4.2-1"],
      },
      async (t) => {
        const topic = t.topic("a");
        const { publisher, subscriber } = await t.pair(topic);
        const count = 100;
        for (let n = 0; n < count; n++) {
          publisher.send(publishPacket(t.version, topic, `${n}`, { qos, id: n + 1 }));
          // A broker may deliver a message of QoS 2 when it is released.
          if (qos === 2) publisher.send(acknowledgement("pubrel", n + 1));
        }
        const got = [];
        for (let n = 0; n < count; n++) got.push(Number((await subscriber.message()).payload));
        t.equal(
          got,
          Array.from({ length: count }, (_, n) => n),
          "messages",
        );
      },
    ),
  ),
  check(
    "an unacknowledged message is sent again with its id and DUP, only on a new connection",
    {
      4: ["3.3.1-1", "4.4.0-1", "4.3.2-1", "4.3.3-1", "2.3.1-6", "4.6.0-1"],
      5: ["3.3.1-1", "4.4.0-1", "4.3.2-3", "4.3.3-3", "4.3.2-2", "4.3.3-2"],
    },
    async (t) => {
      const topic = t.topic("a");
      const first = await t.persistent(t.id());
      await first.subscribe(topic);
      const publisher = await t.connect();
      for (const [n, qos] of ([1, 2, 2, 1] as const).entries()) await publisher.publish(topic, `${n}`, { qos });
      const sent = [];
      for (let n = 0; n < 4; n++) sent.push(await first.next("publish"));
      t.equal(
        sent.map(({ payload, dup }) => [payload, dup]),
        ["0", "1", "2", "3"].map((text) => [text, false]),
        "messages",
      );
      await first.ping();
      t.equal(first.received, [], "repeats on the same connection");
      first.cut();
      const again = await t.persistent(t.id());
      const repeated = [];
      for (let n = 0; n < 4; n++) repeated.push(await again.next("publish"));
      const expected = sent.map(({ id, payload, qos }) => [id, payload, qos, true]);
      t.equal(
        repeated.map(({ id, payload, qos, dup }) => [id, payload, qos, dup]),
        expected,
        "repeated messages",
      );
      for (const message of repeated) await again.finish(message);
      await again.leave();
      const last = await t.persistent(t.id());
      await last.ping();
      t.equal(last.received, [], "messages after their acknowledgement");
    },
  ),
  check(
    "after PUBREC comes PUBREL, which is repeated, and never the message again",
    {
      4: ["4.3.3-1", "4.4.0-1"],
      5: ["4.3.3-4", "4.3.3-5", "4.3.3-6", "4.4.0-1"],
    },
    async (t) => {
      const topic = t.topic("a");
      const first = await t.persistent(t.id());
      await first.subscribe(topic);
      const publisher = await t.connect();
      await publisher.publish(topic, "x", { qos: 2 });
      const { id } = await first.next("publish");
      first.acknowledge("pubrec", id);
      await first.next("pubrel", id);
      first.cut();
      for (let n = 0; n < 2; n++) {
        const again = await t.persistent(t.id());
        await again.next("pubrel", id);
        await again.ping();
        t.equal(again.received, [], "packets besides PUBREL");
        if (n === 1) again.acknowledge("pubcomp", id);
        await again.ping();
        again.cut();
      }
      const last = await t.persistent(t.id());
      await last.ping();
      t.equal(last.received, [], "packets after PUBCOMP");
    },
  ),
  check("a repeated PUBREC gets PUBREL", { 4: ["4.3.3-1"], 5: ["4.3.3-4"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher, subscriber } = await t.pair(topic);
    await publisher.publish(topic, "x", { qos: 2 });
    const { id } = await subscriber.next("publish");
    for (let n = 0; n < 2; n++) {
      subscriber.acknowledge("pubrec", id);
      await subscriber.next("pubrel", id);
    }
    subscriber.acknowledge("pubcomp", id);
    await subscriber.ping();
    t.equal(subscriber.received, [], "further packets");
  }),
  check("acknowledgements that nobody waits for do no harm", { 4: ["4.3.2-1"], 5: ["4.3.2-3"] }, async (t) => {
    const client = await t.connect();
    client.send(acknowledgement("puback", 77), acknowledgement("pubcomp", 78));
    client.send(packet(HEAD.pubrel, u16(79)));
    await client.ping();
    const topic = t.topic("a");
    await client.subscribe(topic);
    await client.publish(topic, "x", { qos: 1 });
    t.equal((await client.message()).payload, "x", "the message");
  }),
  check("every matching session gets the message", { 4: ["4.5.0-1"], 5: ["4.5.0-1"] }, async (t) => {
    const topic = t.topic("a");
    const subscribers = [await t.connect(), await t.persistent(t.id("p")), await t.connect()];
    for (const subscriber of subscribers) await subscriber.subscribe(topic);
    await (await t.connect()).publish(topic, "x", { qos: 2 });
    for (const subscriber of subscribers) t.equal((await subscriber.message()).payload, "x", "the message");
  }),
  check(
    "a publish that is not allowed is acknowledged or closes the connection",
    {
      4: ["3.3.5-2"],
      5: ["3.3.4-1"],
    },
    async (t) => {
      const client = await t.connect();
      client.send(publishPacket(t.version, "$SYS/not/allowed", "x", { qos: 1, id: 21 }));
      await client.until(() => client.closed || client.received.length > 0, "an answer to a publish to $SYS");
      const answer = client.received[0];
      if (answer === undefined) return;
      t.ok(answer.kind === "puback" || answer.kind === "disconnect", `the answer is ${answer.kind}`);
    },
  ),
  check("payloads of any bytes and of 100 KB arrive", { 4: ["7.1.1-1"], 5: ["4.2-1"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher, subscriber } = await t.pair(topic);
    for (const size of [0, 1, 127, 128, 16_384, 100_000]) {
      const payload = Buffer.alloc(size, 0).map((_, n) => (n * 31) % 256);
      await publisher.publish(topic, payload, { qos: 1 });
      const { bytes } = await subscriber.message();
      t.ok(Buffer.from(bytes).equals(payload), `the payload of ${size} bytes`);
    }
  }),
  check("packets may arrive byte by byte", { 4: ["7.1.1-1"], 5: ["4.2-1"] }, async (t) => {
    const topic = t.topic("a");
    const { publisher, subscriber } = await t.pair(topic);
    const bytes = publishPacket(t.version, topic, "slow", { qos: 1, id: 300 });
    for (const byte of bytes) {
      publisher.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await publisher.next("puback", 300);
    t.equal((await subscriber.message()).payload, "slow", "the message");
  }),
  check(
    "PUBACK after the client has closed its direction",
    { 4: ["4.3.2-2"], 5: ["4.3.2-4"] },
    async (t) => {
      const client = await t.connect();
      client.send(publishPacket(t.version, t.topic("a"), "x", { qos: 1, id: 5 }));
      client.wire.half();
      await client.next("puback", 5);
    },
    "tcp",
  ),
];

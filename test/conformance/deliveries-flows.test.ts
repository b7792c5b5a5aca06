import { describe, expect, it } from "vitest";
import { FakeGate } from "../../broker/testing/test-support.ts";
import { withWeir } from "./deliveries-kit.ts";
import { acknowledgement, publishPacket } from "./wire/build.ts";

/** Publishes while the gate holds their messages: breaks, repeats, and half-closed connections. */

describe.each([4, 5] as const)("with a slow gate, in MQTT version %s", (version) => {
  it("a QoS 2 publisher that is cut before PUBREC and repeats its message: it is stored once", async () => {
    const gate = new FakeGate({ held: true });
    await withWeir({ version, gate }, async (t) => {
      const topic = t.topic("a");
      const subscriber = await t.connect({ id: "subscriber" });
      await subscriber.subscribe(topic);
      const first = await t.persistent("publisher");
      first.send(publishPacket(version, topic, "once", { qos: 2, id: 5 }));
      await first.until(() => gate.messages.length === 1, "the message at the gate");
      first.cut();
      await first.until(() => first.closed, "the cut");
      const again = await t.persistent("publisher");
      again.send(publishPacket(version, topic, "once", { qos: 2, id: 5, dup: true }));
      await again.ping();
      expect(again.received).toEqual([]);
      gate.held = false;
      gate.release();
      await again.next("pubrec", 5);
      again.send(acknowledgement("pubrel", 5));
      await again.next("pubcomp", 5);
      // The gate may see a repeat, with the first receive time: that makes it the same reading.
      expect(new Set(gate.messages.map(({ receivedAtUs }) => receivedAtUs)).size).toBe(1);
      expect((await subscriber.message()).payload).toBe("once");
      expect(await t.before({ from: again, to: subscriber, topic })).toEqual([]);
    });
  });

  it("PUBLISH and PUBREL in one write: PUBREC and PUBCOMP when the message is stored, then the id is free", async () => {
    const gate = new FakeGate({ held: true });
    await withWeir({ version, gate }, async (t) => {
      const client = await t.connect();
      const both = (text: string) => [
        publishPacket(version, t.topic("a"), text, { qos: 2, id: 9 }),
        acknowledgement("pubrel", 9),
      ];
      client.send(...both("one"));
      await client.until(() => gate.messages.length === 1, "the message at the gate");
      await client.ping();
      expect(client.received).toEqual([]);
      gate.held = false;
      gate.release();
      await client.next("pubrec", 9);
      await client.next("pubcomp", 9);
      client.send(...both("two"));
      await client.next("pubrec", 9);
      await client.next("pubcomp", 9);
      expect(gate.messages.map(({ payload }) => Buffer.from(payload).toString())).toEqual(["one", "two"]);
    });
  });

  it("a client that closes its direction behind its last message still gets the acknowledgement", async () => {
    const gate = new FakeGate({ held: true });
    await withWeir({ version, gate }, async (t) => {
      const client = await t.connect();
      client.send(publishPacket(version, t.topic("a"), "last", { qos: 1, id: 7 }));
      client.wire.half();
      await client.until(() => gate.messages.length === 1, "the message at the gate");
      // The broker has seen the end of the stream by now, or will while the gate still holds the message.
      const other = await t.connect();
      for (let n = 0; n < 3; n++) await other.ping();
      gate.release();
      await client.next("puback", 7);
      await client.untilClosed("the end of a half-closed connection");
    });
  });

  it("a session without subscriptions is present after a cut, and knows a QoS 2 message", async () => {
    await withWeir({ version }, async (t) => {
      const subscriber = await t.connect({ id: "subscriber" });
      await subscriber.subscribe(t.topic("a"));
      const first = await t.persistent("publisher");
      first.send(publishPacket(version, t.topic("a"), "once", { qos: 2, id: 3 }));
      await first.next("pubrec", 3);
      first.cut();
      const again = await t.persistent("publisher");
      expect(again.connack?.sessionPresent).toBe(true);
      again.send(publishPacket(version, t.topic("a"), "once", { qos: 2, id: 3, dup: true }));
      await again.next("pubrec", 3);
      again.send(acknowledgement("pubrel", 3));
      await again.next("pubcomp", 3);
      expect((await subscriber.message()).payload).toBe("once");
      expect(await t.before({ from: again, to: subscriber, topic: t.topic("a") })).toEqual([]);
    });
  });

  it.each(["\ufffe", "\uffff"])("a topic with %j is handled alike at every QoS", async (text) => {
    await withWeir({ version }, async (t) => {
      const outcomes = [];
      for (const qos of [0, 1, 2] as const) {
        for (const retain of [false, true]) {
          const subscriber = await t.connect();
          const filter = retain ? t.topic(`${qos}/+`) : t.topic(`${qos}/${text}`);
          await subscriber.subscribe([{ filter, qos: 0 }]);
          const publisher = await t.connect();
          publisher.send(publishPacket(version, t.topic(`${qos}/${text}`), "x", { qos, id: 1, retain }));
          await publisher.until(() => publisher.closed || subscriber.received.length > 0, "a delivery or the end");
          outcomes.push(publisher.closed ? "closed" : subscriber.received[0]?.topic.replace(`${qos}/`, ""));
        }
      }
      expect(new Set(outcomes).size, JSON.stringify(outcomes)).toBe(1);
    });
  });
});

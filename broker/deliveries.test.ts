import { afterEach, describe, expect, it } from "vitest";
import { FakeGate, publishPacket, RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";

/** What Aedes alone got wrong, and Weir must not (ADR 27). */

afterEach(stopAll);

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

async function subscribe(client: RawClient, topic: string, qos: 0 | 1 | 2 = 1): Promise<void> {
  client.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos }] });
  await client.next("suback");
}

describe("a persistent subscriber that comes and goes under load", () => {
  it("gets first receipts in order, repeats with DUP and their ids, and loses nothing", async () => {
    const { port } = await startTestBroker();
    const session = { clientId: "away", clean: false };
    const first = await RawClient.connected(port, session);
    await subscribe(first, "a");
    first.socket.destroy();
    const publisher = await RawClient.connected(port, { clientId: "publisher" });
    const count = 400;
    const got: { readonly n: number; readonly id: number; readonly dup: boolean }[] = [];
    let sent = 0;
    for (let round = 0; sent < count || new Set(got.map(({ n }) => n)).size < count; round++) {
      for (let i = 0; i < 40 && sent < count; i++) publisher.publish("a", `${++sent}`, { qos: 1, id: sent });
      const client = await RawClient.connected(port, session);
      const wanted = Math.min(sent, 10 + round);
      await until(() => client.ids("publish").length > 0 || new Set(got.map(({ n }) => n)).size >= sent, "messages");
      for (const packet of client.received.slice(0, wanted)) {
        if (packet.cmd !== "publish") continue;
        got.push({ n: Number(packet.payload), id: packet.messageId ?? 0, dup: packet.dup });
        // The newest ones stay unacknowledged, and come again.
        if (client.received.indexOf(packet) < wanted - 5)
          client.send({ cmd: "puback", messageId: packet.messageId ?? 0 });
      }
      if (round > 60) for (const id of client.ids("publish")) client.send({ cmd: "puback", messageId: id });
      await client.ping();
      client.socket.destroy();
      await client.untilClosed();
    }
    const seen = new Map<number, number>();
    const order: number[] = [];
    for (const { n, id, dup } of got) {
      const before = seen.get(n);
      if (before === undefined) order.push(n);
      else expect({ n, id, dup }).toEqual({ n, id: before, dup: true });
      seen.set(n, id);
    }
    expect(order).toEqual(numbers(count));
  }, 30_000);
});

describe("a session", () => {
  it("without subscriptions is present", async () => {
    const { port } = await startTestBroker();
    const first = await RawClient.connected(port, { clientId: "s", clean: false });
    first.send({ cmd: "disconnect" });
    await first.untilClosed();
    expect((await RawClient.connected(port, { clientId: "s", clean: false })).connack?.sessionPresent).toBe(true);
  });

  it("never gives a new message the id of one that is not acknowledged", async () => {
    const { port } = await startTestBroker();
    const publisher = await RawClient.connected(port, { clientId: "publisher" });
    let client = await RawClient.connected(port, { clientId: "s", clean: false });
    await subscribe(client, "a");
    const byId = new Map<number, string>();
    for (const n of numbers(20)) {
      publisher.publish("a", `${n}`, { qos: 1, id: n });
      await until(
        () => client.received.some((packet) => packet.cmd === "publish" && `${packet.payload}` === `${n}`),
        "it",
      );
      for (const packet of client.received) {
        if (packet.cmd !== "publish") continue;
        const known = byId.get(packet.messageId ?? 0);
        expect(known ?? packet.payload.toString()).toBe(packet.payload.toString());
        byId.set(packet.messageId ?? 0, packet.payload.toString());
      }
      client.socket.destroy();
      client = await RawClient.connected(port, { clientId: "s", clean: false });
    }
    expect(byId.size).toBe(20);
  });
});

describe("a QoS 2 publisher", () => {
  it.each([true, false])("that is cut before PUBREC and sends again has one message (clean %s)", async (gateFirst) => {
    const { port, gate } = await startTestBroker({}, new FakeGate({ held: true }));
    const session = { clientId: "publisher", clean: false };
    const first = await RawClient.connected(port, session);
    first.publish("a", "1", { qos: 2, id: 5 });
    await until(() => gate.pending.length === 1, "the message");
    first.socket.destroy();
    if (gateFirst) gate.release();
    const again = await RawClient.connected(port, session);
    again.send(publishPacket("a", "1", { qos: 2, id: 5, dup: true }));
    await again.ping();
    gate.release();
    expect((await again.next("pubrec")).messageId).toBe(5);
    again.send({ cmd: "pubrel", messageId: 5 });
    await again.next("pubcomp");
    expect(gate.messages).toHaveLength(1);
  });

  it("that writes PUBLISH, PUBREL and the next PUBLISH with the same id at once has both messages", async () => {
    const { port, gate } = await startTestBroker();
    const client = await RawClient.connected(port);
    const release = { cmd: "pubrel", messageId: 1 } as const;
    client.send(
      ...[publishPacket("a", "1", { qos: 2, id: 1 }), release],
      ...[publishPacket("a", "2", { qos: 2, id: 1 }), release],
    );
    await until(() => client.ids("pubcomp").length === 2, "both PUBCOMPs");
    const flow = client.received.map(({ cmd }) => cmd);
    expect(flow).toEqual(["pubrec", "pubcomp", "pubrec", "pubcomp"]);
    expect(gate.texts).toEqual(["a 1", "a 2"]);
  });
});

it("a client that closes its sending side still gets its acknowledgements", async () => {
  const { port, gate } = await startTestBroker({}, new FakeGate({ held: true }));
  const client = await RawClient.connected(port);
  for (const id of numbers(3)) client.publish("a", `${id}`, { qos: 1, id });
  client.socket.end();
  await until(() => gate.pending.length === 3, "the messages");
  gate.release();
  await client.untilClosed();
  expect(client.ids("puback")).toEqual([1, 2, 3]);
});

it("the state of a bridge is accepted, reaches subscribers, and is no reading", async () => {
  const { port, gate } = await startTestBroker();
  const topic = "$SYS/broker/connection/north/state";
  const watcher = await RawClient.connected(port, { clientId: "watcher" });
  await subscribe(watcher, "$SYS/broker/connection/#");
  const will = { topic, payload: Buffer.from("0"), qos: 1 as const, retain: true };
  const bridge = await RawClient.connected(port, { clientId: "north", will });
  bridge.send(publishPacket(topic, "1", { qos: 1, id: 1, retain: true }));
  await bridge.next("puback");
  expect((await watcher.next("publish")).payload.toString()).toBe("1");
  bridge.socket.destroy();
  expect((await watcher.next("publish")).payload.toString()).toBe("0");
  expect(gate.messages).toEqual([]);
});

describe("a shared subscription", () => {
  it("gives each message to one member, in turns, and those of a member that dies to another", async () => {
    const { port } = await startTestBroker();
    const members: RawClient[] = [];
    for (const clientId of ["m1", "m2", "m3"]) {
      const member = await RawClient.connected(port, { clientId });
      await subscribe(member, "$share/group/a/+");
      members.push(member);
    }
    const publisher = await RawClient.connected(port, { clientId: "publisher" });
    for (const id of numbers(30)) publisher.publish("a/b", `${id}`, { qos: 1, id });
    await until(() => publisher.ids("puback").length === 30, "acknowledgements");
    const [dying, ...others] = members;
    if (dying === undefined) throw new Error("no member");
    await until(() => members.every((member) => member.ids("publish").length === 10), "ten messages each");
    dying.socket.destroy();
    await until(() => others.every((member) => member.ids("publish").length === 15), "the rest");
    const texts = others.flatMap(({ received }) =>
      received.flatMap((packet) => (packet.cmd === "publish" ? [Number(packet.payload)] : [])),
    );
    expect(texts.sort((a, b) => a - b)).toEqual(numbers(30));
  });

  it("gives a member no more than its window takes, and the rest to others", async () => {
    const { port } = await startTestBroker();
    const small = await RawClient.connected(port, {
      clientId: "small",
      protocolVersion: 5,
      properties: { receiveMaximum: 2 },
    });
    const large = await RawClient.connected(port, { clientId: "large", protocolVersion: 5 });
    for (const member of [small, large]) await subscribe(member, "$share/group/a");
    const publisher = await RawClient.connected(port, { clientId: "publisher" });
    for (const id of numbers(20)) publisher.publish("a", `${id}`, { qos: 1, id });
    await until(() => small.ids("publish").length + large.ids("publish").length === 20, "all");
    expect(small.ids("publish")).toHaveLength(2);
  });

  it("with a persistent member keeps messages while none is connected", async () => {
    const { port } = await startTestBroker();
    const session = { clientId: "m", clean: false };
    const member = await RawClient.connected(port, session);
    await subscribe(member, "$share/group/a");
    member.socket.destroy();
    await member.untilClosed();
    const publisher = await RawClient.connected(port, { clientId: "publisher" });
    for (const id of numbers(5)) publisher.publish("a", `${id}`, { qos: 1, id });
    await until(() => publisher.ids("puback").length === 5, "acknowledgements");
    const again = await RawClient.connected(port, session);
    await until(() => again.ids("publish").length === 5, "the messages");
  });
});

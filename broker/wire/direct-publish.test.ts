import fc from "fast-check";
import { generate, type IPublishPacket, parser } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import { publishPacket, RawClient, startTestBroker, stopAll, until } from "../testing/test-support.ts";
import { DirectPublishReader } from "./direct-publish.ts";

afterEach(stopAll);

const reader = () => new DirectPublishReader({ packetBytesMax: 1_000, topicLevelsMax: 4 });

/** How mqtt-packet, Aedes' parser, reads the same bytes. */
function parsed(bytes: Buffer): IPublishPacket[] {
  const packets: IPublishPacket[] = [];
  const other = parser();
  other.on("packet", (packet) => {
    if (packet.cmd === "publish") packets.push(packet);
  });
  other.parse(bytes);
  return packets;
}

const publish = fc.record({
  cmd: fc.constant("publish" as const),
  topic: fc.stringMatching(/^[a-zäß€😀][a-z/]{0,3}$/u).filter((topic) => topic.split("/").length <= 4),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  qos: fc.constantFrom(0 as const, 1 as const),
  retain: fc.boolean(),
  dup: fc.boolean(),
  messageId: fc.integer({ min: 1, max: 65_535 }),
});

describe("reading publishes that bypass Aedes", () => {
  it("reads the same as Aedes' parser", () => {
    fc.assert(
      fc.property(fc.array(publish, { minLength: 1, maxLength: 5 }), (packets) => {
        const bytes = Buffer.concat(
          packets.map((packet) => generate({ ...packet, dup: packet.dup && packet.qos > 0 })),
        );
        const direct = reader();
        let at = 0;
        for (const expected of parsed(bytes)) {
          const read = direct.read(bytes, at);
          const { topic, payload, qos, retain, messageId = 0 } = expected;
          expect(read).toMatchObject({ topic, payload: Buffer.from(payload), qos, retain, messageId });
          at = read?.end ?? 0;
        }
        expect(at).toBe(bytes.length);
        expect(direct.read(bytes, at)).toBeUndefined();
      }),
    );
  });

  it("leaves incomplete packets to Aedes", () => {
    const bytes = generate(publishPacket("sensors/a", "x".repeat(200), { qos: 1, id: 7 }));
    for (let length = 0; length < bytes.length; length++) {
      expect(reader().read(bytes.subarray(0, length), 0)).toBeUndefined();
    }
  });

  it.each([
    ["QoS 2", generate(publishPacket("a", "1", { qos: 2, id: 1 }))],
    ["QoS 3", Buffer.from([0x36, 6, 0, 1, 0x61, 0, 1, 0x31])],
    ["packet id 0", Buffer.from([0x32, 6, 0, 1, 0x61, 0, 0, 0x31])],
    ["no topic", Buffer.from([0x32, 5, 0, 0, 0, 1, 0x31])],
    ["a topic longer than its packet", Buffer.from([0x32, 5, 0, 9, 0x61, 0, 1])],
    ["no room for a packet id", Buffer.from([0x32, 4, 0, 1, 0x61, 0])],
    ["an empty body", Buffer.from([0x30, 0, 0x30, 0])],
    ["a length that never ends", Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0])],
    ["a wildcard", Buffer.from([0x30, 4, 0, 1, 0x23, 0x31])],
    ["ill-formed UTF-8", Buffer.from([0x30, 4, 0, 1, 0xff, 0x31])],
    ["a system topic", generate(publishPacket("$SYS/a", "1", { qos: 1, id: 1 }))],
    ["too many levels", generate(publishPacket("a/b/c/d/e", "1", { qos: 1, id: 1 }))],
    ["too many bytes", generate(publishPacket("a", "x".repeat(1_000), { qos: 1, id: 1 }))],
    ["another packet", generate({ cmd: "pingreq" })],
  ])("leaves %s to Aedes", (_, bytes) => {
    expect(reader().read(bytes, 0)).toBeUndefined();
  });
});

describe("the publishes of one client", () => {
  it("keep their order wherever the bytes are split, even though Aedes parses the split ones", async () => {
    const { port, gate } = await startTestBroker();
    const subscriber = await RawClient.connected(port, { clientId: "subscriber" });
    subscriber.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a", qos: 0 }] });
    await subscriber.next("suback");
    const publisher = await RawClient.connected(port, { clientId: "publisher" });
    const ids = Array.from({ length: 60 }, (_, i) => i + 1);
    const bytes = Buffer.concat(ids.map((id) => generate(publishPacket("a", `${id}`, { qos: 1, id }))));
    for (let at = 0, cut = 1; at < bytes.length; at += cut, cut = (cut % 37) + 5) {
      publisher.sendBytes(bytes.subarray(at, at + cut));
      // Otherwise the kernel would join the pieces.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => publisher.ids("puback").length === ids.length, "all acknowledgements");
    await until(() => subscriber.received.length === ids.length, "all deliveries");
    expect(publisher.ids("puback")).toEqual(ids);
    expect(gate.texts).toEqual(ids.map((id) => `a ${id}`));
    expect(subscriber.received.map((packet) => (packet.cmd === "publish" ? Number(packet.payload) : 0))).toEqual(ids);
  });
});

import fc from "fast-check";
import { generate, type IPublishPacket, type Packet, parser } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import { publishPacket, RawClient, startTestBroker, stopAll, until } from "../testing/test-support.ts";
import { frameAt } from "./frame.ts";
import type { Version } from "./packets/packets.ts";
import { PublishReader, type ReadPublish } from "./publish-reader.ts";

afterEach(stopAll);

const BYTES_MAX = 1_000;
const reader = (version: Version = 4) => {
  const made = new PublishReader({ topicLevelsMax: 4, topicAliasMax: 3 });
  made.version = version;
  return made;
};

/** Reads all publishes in the bytes; undefined behind them if the last one is incomplete. */
function readAll(bytes: Buffer, from: PublishReader): ReadPublish[] {
  const all: ReadPublish[] = [];
  for (let at = 0; at < bytes.length; ) {
    const frame = frameAt(bytes, at, BYTES_MAX);
    if (frame === undefined || frame.end > bytes.length) throw new Error("incomplete");
    all.push(from.read(bytes, at, frame.bodyAt, frame.end));
    at = frame.end;
  }
  return all;
}

/** How mqtt-packet reads the same bytes. */
function parsed(bytes: Buffer, protocolVersion: Version): IPublishPacket[] {
  const packets: IPublishPacket[] = [];
  const other = parser({ protocolVersion });
  other.on("packet", (packet) => {
    if (packet.cmd === "publish") packets.push(packet);
  });
  other.parse(bytes);
  return packets;
}

const text = fc.stringMatching(/^[a-zäß€😀]{1,9}$/u);
const properties = fc.record(
  {
    payloadFormatIndicator: fc.boolean(),
    messageExpiryInterval: fc.integer({ min: 1, max: 0xffff_ffff }),
    responseTopic: text,
    correlationData: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    userProperties: fc.dictionary(text, fc.oneof(text, fc.array(text, { minLength: 2, maxLength: 3 }))),
    contentType: text,
  },
  { requiredKeys: [] },
);

const publish = fc.record({
  cmd: fc.constant("publish" as const),
  topic: fc.stringMatching(/^[a-zäß€😀][a-z/]{0,3}$/u).filter((topic) => topic.split("/").length <= 4),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
  retain: fc.boolean(),
  dup: fc.boolean(),
  messageId: fc.integer({ min: 1, max: 65_535 }),
  properties,
});

type Expected = IPublishPacket["properties"];

/** Of mqtt-packet, which does not keep the order of user properties with different names. */
function comparable(publish: ReadPublish): Expected {
  const { expirySeconds, properties: { userProperties, ...own } = {} } = publish;
  const byName: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of userProperties ?? []) {
    const before = byName[name];
    byName[name] = before === undefined ? value : [before, value].flat();
  }
  return {
    ...own,
    ...(expirySeconds === undefined ? {} : { messageExpiryInterval: expirySeconds }),
    ...(userProperties === undefined ? {} : { userProperties: byName }),
  } as Expected;
}

describe("reading publishes", () => {
  it.each([4, 5] as const)("of version %i gives the same as mqtt-packet", (version) => {
    fc.assert(
      fc.property(fc.array(publish, { minLength: 1, maxLength: 5 }), (packets) => {
        const all = packets.map((packet) => {
          const bytes = generate({ ...packet, dup: packet.dup && packet.qos > 0 }, { protocolVersion: version });
          return bytes;
        });
        const bytes = Buffer.concat(all);
        const read = readAll(bytes, reader(version));
        const expected = parsed(bytes, version);
        expect(read).toHaveLength(expected.length);
        for (const [i, each] of read.entries()) {
          const {
            topic,
            payload,
            qos,
            retain,
            messageId = 0,
            properties: other = {},
          } = expected[i] ?? packets[0] ?? never();
          expect(each).toMatchObject({ topic, payload: Buffer.from(payload), qos, retain, messageId });
          expect(comparable(each)).toEqual({ ...other });
        }
      }),
    );
  });

  it("keeps the order and repeats of user properties, which mqtt-packet cannot", () => {
    const pair = (name: string, value: string) =>
      Buffer.from([0x26, 0, 1, ...Buffer.from(name), 0, 1, ...Buffer.from(value)]);
    const section = Buffer.concat([pair("b", "1"), pair("a", "2"), pair("b", "3")]);
    const body = Buffer.concat([Buffer.from([0, 1, 0x74, section.length]), section]);
    const [read] = readAll(Buffer.concat([Buffer.from([0x30, body.length]), body]), reader(5));
    expect(read?.properties?.userProperties).toEqual([
      ["b", "1"],
      ["a", "2"],
      ["b", "3"],
    ]);
  });

  it("resolves topic aliases", () => {
    const from = reader(5);
    const one = (topic: string, topicAlias: number) =>
      generate({ ...publishPacket(topic, "1"), properties: { topicAlias } } as Packet, { protocolVersion: 5 });
    const bytes = Buffer.concat([
      one("first", 1),
      one("second", 2),
      one("", 1),
      one("third", 1),
      one("", 1),
      one("", 2),
    ]);
    const topics = readAll(bytes, from).map(({ topic }) => topic);
    expect(topics).toEqual(["first", "second", "first", "third", "third", "second"]);
    expect(() => readAll(one("", 3), from)).toThrow("the topic alias 3 was not set");
    expect(() => readAll(one("a", 4), from)).toThrow("the topic alias 4 is not from 1 to 3");
    expect(() => readAll(one("a", 0), from)).toThrow("the topic alias 0");
  });

  it.each([
    ["QoS 3", [0x36, 6, 0, 1, 0x61, 0, 1, 0x31], 0x81],
    ["packet id 0", [0x32, 6, 0, 1, 0x61, 0, 0, 0x31], 0x82],
    ["no topic", [0x32, 5, 0, 0, 0, 1, 0x31], 0x90],
    ["a topic longer than its packet", [0x32, 5, 0, 9, 0x61, 0, 1], 0x81],
    ["no room for a packet id", [0x32, 4, 0, 1, 0x61, 0], 0x81],
    ["an empty body", [0x30, 0], 0x81],
    ["a length that never ends", [0x30, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0], 0x81],
    ["a wildcard", [0x30, 4, 0, 1, 0x23, 0x31], 0x90],
    ["ill-formed UTF-8", [0x30, 4, 0, 1, 0xff, 0x31], 0x81],
    ["U+0000", [0x30, 4, 0, 1, 0, 0x31], 0x81],
    ["a UTF-8 surrogate", [0x30, 6, 0, 3, 0xed, 0xa0, 0x80, 0x31], 0x81],
    ["too many levels", [...generate(publishPacket("a/b/c/d/e", "1", { qos: 1, id: 1 }))], 0x90],
    ["too many bytes", [...generate(publishPacket("a", "x".repeat(1_000), { qos: 1, id: 1 }))], 0x95],
  ])("refuses %s", (_, bytes, reasonCode) => {
    expect(() => readAll(Buffer.from(bytes), reader())).toThrow(expect.objectContaining({ reasonCode }));
  });

  it.each([
    ["an unknown property", [0x05, 0x00], 0x81],
    ["a property of another packet", [0x11, 0, 0, 0, 1], 0x82],
    ["a Subscription Identifier, which only the broker sends", [0x0b, 1], 0x82],
    ["a property twice", [0x01, 0, 0x01, 0], 0x82],
    ["an indicator of 2", [0x01, 2], 0x82],
    ["a response topic with a wildcard", [0x08, 0, 1, 0x23], 0x82],
    ["properties that end within a field", [0x02, 0, 0], 0x81],
    ["a user property with ill-formed UTF-8", [0x26, 0, 1, 0xff, 0, 0], 0x81],
  ])("of MQTT 5 refuses %s", (_, section, reasonCode) => {
    const body = [0, 1, 0x61, section.length, ...section];
    expect(() => readAll(Buffer.from([0x30, body.length, ...body]), reader(5))).toThrow(
      expect.objectContaining({ reasonCode }),
    );
  });

  it("of MQTT 5 refuses properties longer than the packet", () => {
    expect(() => readAll(Buffer.from([0x30, 4, 0, 1, 0x61, 9]), reader(5))).toThrow("ends within a field");
  });
});

function never(): never {
  throw new Error("missing");
}

describe("the publishes of one client", () => {
  it("keep their order wherever the bytes are split", async () => {
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

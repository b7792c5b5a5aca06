import { type Check, check, type Scene } from "../scene/check.ts";
import { authPacket, disconnectPacket, publishPacket, subscribePacket } from "../wire/build.ts";
import { HEAD, packet, prefixed, u16 } from "../wire/bytes.ts";
import { type Properties, properties, property } from "../wire/properties.ts";

/** Packets that must close the connection. In MQTT 5, a DISCONNECT may come first, with one of the codes. */

const ILL_FORMED = Buffer.from([0x61, 0xc3, 0x28]);
const SURROGATE = Buffer.from([0xed, 0xbf, 0xbf]);
const WITH_NULL = Buffer.from([0x61, 0x00, 0x62]);
const MALFORMED_OR_PROTOCOL = [0x81, 0x82];

interface Malformed {
  readonly name: string;
  readonly covers: Check["covers"];
  /** Default: 0x81 and 0x82. */
  readonly codes?: readonly number[];
  readonly bytes: (t: Scene) => Uint8Array;
}

const VIOLATION = { 4: ["4.8.0-1"], 5: ["4.13.1-1"] };

/** In MQTT 5 an empty list of properties. */
function none(t: Scene): Uint8Array {
  return t.version === 5 ? properties() : Buffer.alloc(0);
}

function flags(head: number, value: number): number {
  return (head & 0xf0) | value;
}

const FLAGS: readonly Malformed[] = [
  {
    name: "PUBREL with flags 0",
    covers: { 4: ["3.6.1-1", "2.2.2-2"], 5: ["3.6.1-1", "2.1.3-1"] },
    bytes: () => packet(flags(HEAD.pubrel, 0), u16(1)),
  },
  {
    name: "SUBSCRIBE with flags 0",
    covers: { 4: ["3.8.1-1", "2.2.2-2"], 5: ["3.8.1-1", "2.1.3-1"] },
    bytes: (t) => packet(flags(HEAD.subscribe, 0), u16(1), none(t), prefixed(t.topic("a")), [0]),
  },
  {
    name: "UNSUBSCRIBE with flags 0",
    covers: { 4: ["3.10.1-1", "2.2.2-2"], 5: ["3.10.1-1", "2.1.3-1"] },
    bytes: (t) => packet(flags(HEAD.unsubscribe, 0), u16(1), none(t), prefixed(t.topic("a"))),
  },
  ...(["puback", "pubrec", "pubcomp", "pingreq"] as const).map((kind) => ({
    name: `${kind.toUpperCase()} with flags 1`,
    covers: { 4: ["2.2.2-2"], 5: ["2.1.3-1"] },
    bytes: () => packet(flags(HEAD[kind], 1), kind === "pingreq" ? [] : u16(1)),
  })),
  {
    name: "AUTH with flags 1",
    covers: { 5: ["3.15.1-1"] },
    bytes: () => packet(flags(HEAD.auth, 1), [0x18], properties({ authMethod: "m" })),
  },
];

const PUBLISHES: readonly Malformed[] = [
  {
    name: "PUBLISH with QoS 3",
    covers: { 4: ["3.3.1-4"], 5: ["3.3.1-4"] },
    bytes: (t) => packet(0x36, prefixed(t.topic("a")), u16(1), none(t)),
  },
  ...([1, 2] as const).map((qos) => ({
    name: `PUBLISH of QoS ${qos} with packet id 0`,
    covers: { 4: ["2.3.1-1"], 5: ["2.2.1-3"] },
    bytes: (t: Scene) => publishPacket(t.version, t.topic("a"), "x", { qos, id: 0 }),
  })),
  {
    name: "PUBLISH with an ill-formed topic",
    covers: { 4: ["3.3.2-1", "1.5.3-1"], 5: ["3.3.2-1", "1.5.4-1"] },
    bytes: (t) => publishPacket(t.version, ILL_FORMED, "x"),
  },
  {
    name: "PUBLISH with a surrogate in the topic",
    covers: { 4: ["3.3.2-1", "1.5.3-1"], 5: ["3.3.2-1", "1.5.4-1"] },
    bytes: (t) => publishPacket(t.version, SURROGATE, "x", { qos: 1 }),
  },
  {
    name: "PUBLISH with U+0000 in the topic",
    covers: { 4: ["1.5.3-2", "4.7.3-2"], 5: ["1.5.4-2", "4.7.3-2"] },
    bytes: (t) => publishPacket(t.version, WITH_NULL, "x"),
  },
  ...["#", "+", "a/#", "a/+/b"].map((topic) => ({
    name: `PUBLISH to ${topic}`,
    covers: { 4: ["3.3.2-2", "4.7.1-1"], 5: ["3.3.2-2", "4.7.0-1"] },
    codes: [0x81, 0x82, 0x90],
    bytes: (t: Scene) => publishPacket(t.version, topic, "x"),
  })),
  {
    name: "PUBLISH without a topic",
    covers: { 4: ["4.7.3-1"], 5: ["4.7.3-1"] },
    codes: [0x81, 0x82, 0x90],
    bytes: (t) => publishPacket(t.version, "", "x"),
  },
  {
    name: "PUBLISH that ends within its topic",
    covers: { 4: ["3.3.2-1", "4.8.0-1"], 5: ["3.3.2-1", "4.13.1-1"] },
    bytes: () => packet(0x30, u16(20), [0x61, 0x62]),
  },
];

const WRONG_PUBLISH_PROPERTIES: readonly (readonly [string, string, Uint8Array, (readonly number[])?])[] = [
  ["a subscription identifier", "3.3.4-6", properties({ subscriptionIds: [1] }), [0x82, 0x81]],
  ["topic alias 0", "3.3.2-8", properties({ topicAlias: 0 }), [0x94, 0x82, 0x81]],
  ["a wildcard in the response topic", "3.3.2-14", properties({ responseTopic: "a/+" }), [0x81, 0x82, 0x90]],
  ["an ill-formed response topic", "3.3.2-13", properties({}, [0x08], prefixed(ILL_FORMED))],
  ["an ill-formed content type", "3.3.2-19", properties({}, [0x03], prefixed(ILL_FORMED))],
  ["an ill-formed name of a user property", "1.5.7-1", properties({}, [0x26], prefixed(ILL_FORMED), prefixed("b"))],
  ["an ill-formed value of a user property", "1.5.7-1", properties({}, [0x26], prefixed("a"), prefixed(ILL_FORMED))],
  ["U+0000 in a user property", "1.5.4-2", properties({}, [0x26], prefixed("a"), prefixed(WITH_NULL))],
  ["message expiry twice", "4.13.1-1", properties({ messageExpiry: 9 }, property("messageExpiry", 9))],
  ["a property of CONNECT", "4.13.1-1", properties({ sessionExpiry: 9 })],
  ["an unknown property", "4.13.1-1", properties({}, [0x7f, 0])],
  ["a property length beyond the packet", "2.2.2-1", Buffer.from([99])],
];

const REQUESTS: readonly Malformed[] = [
  {
    name: "SUBSCRIBE with packet id 0",
    covers: { 4: ["2.3.1-1"], 5: ["2.2.1-3"] },
    bytes: (t) => subscribePacket(t.version, 0, [{ filter: t.topic("a") }]),
  },
  {
    name: "UNSUBSCRIBE with packet id 0",
    covers: { 4: ["2.3.1-1"], 5: ["2.2.1-3"] },
    bytes: (t) => packet(HEAD.unsubscribe, u16(0), none(t), prefixed(t.topic("a"))),
  },
  {
    name: "SUBSCRIBE without filters",
    covers: { 4: ["3.8.3-3"], 5: ["3.8.3-2"] },
    bytes: (t) => packet(HEAD.subscribe, u16(1), none(t)),
  },
  {
    name: "UNSUBSCRIBE without filters",
    covers: { 4: ["3.10.3-2"], 5: ["3.10.3-2"] },
    bytes: (t) => packet(HEAD.unsubscribe, u16(1), none(t)),
  },
  {
    name: "SUBSCRIBE with QoS 3",
    covers: { 4: ["3.8.3-4"], 5: ["4.13.1-1"] },
    bytes: (t) => subscribePacket(t.version, 1, [{ filter: t.topic("a"), options: 3 }]),
  },
  ...[0x40, 0x80].map((options) => ({
    name: `SUBSCRIBE with reserved bit 0x${options.toString(16)}`,
    covers: { 4: ["3.8.3-4"], 5: ["3.8.3-5"] },
    bytes: (t: Scene) => subscribePacket(t.version, 1, [{ filter: t.topic("a"), options }]),
  })),
  {
    name: "SUBSCRIBE of MQTT 3.1.1 with no local",
    covers: { 4: ["3.8.3-4"] },
    bytes: (t) => subscribePacket(t.version, 1, [{ filter: t.topic("a"), options: 0x05 }]),
  },
  {
    name: "SUBSCRIBE with retain handling 3",
    covers: { 5: ["4.13.1-1"] },
    bytes: (t) => subscribePacket(t.version, 1, [{ filter: t.topic("a"), options: 0x30 }]),
  },
  {
    name: "SUBSCRIBE with an ill-formed filter",
    covers: { 4: ["3.8.3-1", "1.5.3-1"], 5: ["3.8.3-1", "1.5.4-1"] },
    bytes: (t) => subscribePacket(t.version, 1, [{ filter: ILL_FORMED }]),
  },
  {
    name: "SUBSCRIBE with U+0000 in a filter",
    covers: { 4: ["1.5.3-2", "4.7.3-2"], 5: ["1.5.4-2", "4.7.3-2"] },
    bytes: (t) => subscribePacket(t.version, 1, [{ filter: WITH_NULL }]),
  },
  {
    name: "UNSUBSCRIBE with an ill-formed filter",
    covers: { 4: ["3.10.3-1", "1.5.3-1"], 5: ["3.10.3-1", "1.5.4-1"] },
    bytes: (t) => packet(HEAD.unsubscribe, u16(1), none(t), prefixed(ILL_FORMED)),
  },
  {
    name: "SUBSCRIBE that ends before its QoS",
    covers: VIOLATION,
    bytes: (t) => packet(HEAD.subscribe, u16(1), none(t), prefixed(t.topic("a"))),
  },
  {
    name: "SUBSCRIBE with no local on a shared filter",
    covers: { 5: ["3.8.3-4"] },
    bytes: (t) => subscribePacket(5, 1, [{ filter: `$share/g/${t.topic("a")}`, noLocal: true }]),
  },
  {
    name: "SUBSCRIBE with subscription identifier 0",
    covers: { 5: ["4.13.1-1"] },
    bytes: (t) => subscribePacket(5, 1, [{ filter: t.topic("a") }], { subscriptionIds: [0] }),
  },
  {
    name: "SUBSCRIBE with two subscription identifiers",
    covers: { 5: ["4.13.1-1"] },
    bytes: (t) => subscribePacket(5, 1, [{ filter: t.topic("a") }], { subscriptionIds: [1, 2] }),
  },
];

const OTHERS: readonly Malformed[] = [
  { name: "packet type 0", covers: VIOLATION, bytes: () => packet(0x00) },
  { name: "packet type 15 in MQTT 3.1.1", covers: { 4: ["4.8.0-1"] }, bytes: () => packet(0xf0) },
  { name: "CONNACK from a client", covers: VIOLATION, bytes: () => packet(0x20, [0, 0]) },
  { name: "SUBACK from a client", covers: VIOLATION, bytes: (t) => packet(0x90, u16(1), none(t), [0]) },
  { name: "PINGRESP from a client", covers: VIOLATION, bytes: () => packet(0xd0) },
  { name: "PUBACK of one byte", covers: VIOLATION, bytes: () => packet(HEAD.puback, [1]) },
  { name: "PUBREL without packet id", covers: VIOLATION, bytes: () => packet(HEAD.pubrel) },
  {
    name: "a remaining length of 5 bytes",
    covers: VIOLATION,
    bytes: () => Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 1]),
  },
  {
    name: "AUTH without an authentication method in CONNECT",
    covers: { 5: ["4.12.0-7"] },
    bytes: () => authPacket(0x18, { authMethod: "m" }),
  },
];

export const MALFORMED_CHECKS: readonly Check[] = [
  ...[...FLAGS, ...PUBLISHES, ...REQUESTS, ...OTHERS].map(({ name, covers, codes = MALFORMED_OR_PROTOCOL, bytes }) =>
    check(`${name} closes the connection`, covers, (t) => t.refused(bytes(t), { why: name, codes })),
  ),
  ...WRONG_PUBLISH_PROPERTIES.map(([name, id, props, codes = MALFORMED_OR_PROTOCOL]) =>
    check(`PUBLISH with ${name} closes the connection`, { 5: [id] }, (t) =>
      t.refused(packet(0x30, prefixed(t.topic("a")), props, Buffer.from("x")), { why: name, codes }),
    ),
  ),
  check("a malformed DISCONNECT is none: the will is published", { 4: ["3.14.1-1"], 5: ["3.14.1-1"] }, async (t) => {
    const topic = t.topic("will");
    const { subscriber } = await t.pair(topic);
    const client = await t.connect({ id: t.id(), will: { topic, payload: "malformed", qos: 1 } });
    await t.refused(packet(flags(HEAD.disconnect, 1)), { client, why: "DISCONNECT with flags 1", codes: [0x81] });
    t.equal((await subscriber.message()).payload, "malformed", "the will");
  }),
  check("DISCONNECT cannot give an expiry to a session without one", { 5: ["4.13.1-1"] }, async (t) => {
    const props: Properties = { sessionExpiry: 10 };
    await t.refused(disconnectPacket(0, props), { why: "session expiry in DISCONNECT", codes: [0x82] });
  }),
];

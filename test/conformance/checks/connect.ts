import { type Check, check, type Scene } from "../scene/check.ts";
import { connectPacket, disconnectPacket, publishPacket, subscribePacket, type Will } from "../wire/build.ts";
import { HEAD, type Part, PINGREQ, packet, prefixed, u16 } from "../wire/bytes.ts";
import { type Properties, properties, property } from "../wire/properties.ts";

/** CONNECT: what must be refused, and what must be accepted. */

const ILL_FORMED = Buffer.from([0x61, 0xc3, 0x28]);
const SURROGATE = Buffer.from([0x61, 0xed, 0xa0, 0x80]);
const WITH_NULL = Buffer.from([0x61, 0x00, 0x62]);

interface Body {
  readonly flags: number;
  readonly fields: readonly Part[];
  readonly props?: Uint8Array;
}

/** A CONNECT with exactly these flags and fields. */
function connectWith(t: Scene, { flags, fields, props = properties() }: Body): Uint8Array {
  const head = [prefixed("MQTT"), [t.version, flags, ...u16(0)]];
  return packet(HEAD.connect, ...head, t.version === 5 ? props : [], ...fields);
}

/** The fields of a will; their properties only in MQTT 5. */
function willFields(t: Scene, topic: string | Uint8Array): readonly Part[] {
  return [t.version === 5 ? properties() : [], prefixed(topic), prefixed("gone")];
}

/** Sends a CONNECT that must not be accepted. In MQTT 3.1.1 a malformed one gets no CONNACK at all. */
async function refuse(t: Scene, bytes: Uint8Array, why: string): Promise<void> {
  const client = t.open();
  client.send(bytes);
  await client.untilClosed(why);
  const answers = client.received.map(({ kind, code }) => `${kind} 0x${code.toString(16)}`);
  if (t.version === 4) t.equal(answers, [], `answers to ${why}`);
  else
    t.ok(
      client.received.every(({ kind, code }) => kind === "connack" && code >= 0x80),
      `${why} got ${answers}`,
    );
}

interface Malformed {
  readonly name: string;
  readonly covers: Check["covers"];
  readonly body: (t: Scene) => Body;
}

const MALFORMED: readonly Malformed[] = [
  {
    name: "the reserved flag",
    covers: { 4: ["3.1.2-3", "3.1.4-1"], 5: ["3.1.2-3", "3.1.4-1", "4.13.1-1"] },
    body: (t) => ({ flags: 0x03, fields: [prefixed(t.id())] }),
  },
  {
    name: "will QoS without will flag",
    covers: { 4: ["3.1.2-11", "3.1.2-13"], 5: ["3.1.2-11"] },
    body: (t) => ({ flags: 0x0a, fields: [prefixed(t.id())] }),
  },
  {
    name: "will retain without will flag",
    covers: { 4: ["3.1.2-11", "3.1.2-15"], 5: ["3.1.2-13"] },
    body: (t) => ({ flags: 0x22, fields: [prefixed(t.id())] }),
  },
  {
    name: "will QoS 3",
    covers: { 4: ["3.1.2-14"], 5: ["3.1.2-12"] },
    body: (t) => ({ flags: 0x1e, fields: [prefixed(t.id()), ...willFields(t, t.topic("w"))] }),
  },
  {
    name: "a will flag without fields",
    covers: { 4: ["3.1.2-9"], 5: ["3.1.2-9"] },
    body: (t) => ({ flags: 0x06, fields: [prefixed(t.id())] }),
  },
  {
    name: "will fields without will flag",
    covers: { 4: ["3.1.2-11"], 5: ["3.1.4-1"] },
    body: (t) => ({ flags: 0x02, fields: [prefixed(t.id()), ...willFields(t, t.topic("w"))] }),
  },
  {
    name: "a user name without its flag",
    covers: { 4: ["3.1.2-18"], 5: ["3.1.2-16"] },
    body: (t) => ({ flags: 0x02, fields: [prefixed(t.id()), prefixed("ann")] }),
  },
  {
    name: "a user name flag without user name",
    covers: { 4: ["3.1.2-19"], 5: ["3.1.2-17"] },
    body: (t) => ({ flags: 0x82, fields: [prefixed(t.id())] }),
  },
  {
    name: "a password without its flag",
    covers: { 4: ["3.1.2-20"], 5: ["3.1.2-18"] },
    body: (t) => ({ flags: 0x82, fields: [prefixed(t.id()), prefixed("ann"), prefixed("secret")] }),
  },
  {
    name: "a password flag without password",
    covers: { 4: ["3.1.2-21"], 5: ["3.1.2-19"] },
    body: (t) => ({ flags: 0xc2, fields: [prefixed(t.id()), prefixed("ann")] }),
  },
  {
    name: "a password without user name",
    covers: { 4: ["3.1.2-22"] },
    body: (t) => ({ flags: 0x42, fields: [prefixed(t.id()), prefixed("secret")] }),
  },
  {
    name: "no client id",
    covers: { 4: ["3.1.3-3", "3.1.4-1"], 5: ["3.1.3-3", "3.1.4-1"] },
    body: () => ({ flags: 0x02, fields: [] }),
  },
  {
    name: "an ill-formed client id",
    covers: { 4: ["3.1.3-4", "1.5.3-1"], 5: ["3.1.3-4", "1.5.4-1"] },
    body: () => ({ flags: 0x02, fields: [prefixed(ILL_FORMED)] }),
  },
  {
    name: "a client id with a surrogate",
    covers: { 4: ["3.1.3-4", "1.5.3-1"], 5: ["3.1.3-4", "1.5.4-1"] },
    body: () => ({ flags: 0x02, fields: [prefixed(SURROGATE)] }),
  },
  {
    name: "a client id with U+0000",
    covers: { 4: ["1.5.3-2"], 5: ["1.5.4-2"] },
    body: () => ({ flags: 0x02, fields: [prefixed(WITH_NULL)] }),
  },
  {
    name: "an ill-formed will topic",
    covers: { 4: ["3.1.3-10"], 5: ["3.1.3-11"] },
    body: (t) => ({ flags: 0x06, fields: [prefixed(t.id()), ...willFields(t, ILL_FORMED)] }),
  },
  {
    name: "a will topic with U+0000",
    covers: { 4: ["1.5.3-2", "4.7.3-2"], 5: ["1.5.4-2", "4.7.3-2"] },
    body: (t) => ({ flags: 0x06, fields: [prefixed(t.id()), ...willFields(t, WITH_NULL)] }),
  },
  {
    name: "a will topic with a wildcard",
    covers: { 4: ["4.7.1-1"], 5: ["4.7.0-1"] },
    body: (t) => ({ flags: 0x06, fields: [prefixed(t.id()), ...willFields(t, t.topic("+"))] }),
  },
  {
    name: "an ill-formed user name",
    covers: { 4: ["3.1.3-11"], 5: ["3.1.3-12"] },
    body: (t) => ({ flags: 0x82, fields: [prefixed(t.id()), prefixed(ILL_FORMED)] }),
  },
];

const WRONG_PROPERTIES: Readonly<Record<string, Uint8Array>> = {
  "receive maximum 0": properties({ receiveMaximum: 0 }),
  "maximum packet size 0": properties({ maximumPacketSize: 0 }),
  "request problem information 2": properties({ requestProblem: 2 }),
  "request response information 2": properties({ requestResponse: 2 }),
  "authentication data without a method": properties({ authData: Buffer.from("x") }),
  "session expiry twice": properties({ sessionExpiry: 1 }, property("sessionExpiry", 1)),
  "a topic alias": properties({ topicAlias: 1 }),
  "an unknown property": properties({}, [0x7f, 0]),
  "a property length beyond the packet": Buffer.from([120]),
  "an ill-formed user property": properties({}, [0x26], prefixed(ILL_FORMED), prefixed("b")),
};

async function level(t: Scene, number: number): Promise<string> {
  const client = t.open({ unread: true });
  client.send(connectPacket(t.version, { id: t.id(), protocol: { level: number } }));
  await client.untilClosed(`protocol level ${number}`);
  return client.raw.toString("hex");
}

/** CONNACK with return code 1, as MQTT 3.1.1 has it. */
const UNACCEPTABLE_LEVEL = "20020001";

const WILL: Will = { topic: "", payload: "the will", qos: 1 };

export const CONNECT_CHECKS: readonly Check[] = [
  ...MALFORMED.map(({ name, covers, body }) =>
    check(`CONNECT with ${name} is refused`, covers, (t) => refuse(t, connectWith(t, body(t)), name)),
  ),
  ...Object.entries(WRONG_PROPERTIES).map(([name, props]) =>
    check(`CONNECT with ${name} is refused`, { 5: ["3.1.4-1", "4.13.1-1", "1.5.7-1"] }, (t) =>
      refuse(t, connectWith(t, { flags: 0x02, fields: [prefixed(t.id())], props }), name),
    ),
  ),
  check("a connection that does not begin with CONNECT is closed", { 4: ["3.1.0-1"], 5: ["3.1.0-1"] }, async (t) => {
    const topic = t.topic("a");
    const { subscriber, publisher } = await t.pair(topic);
    const { version } = t;
    for (const bytes of [
      PINGREQ,
      publishPacket(version, topic, "early"),
      subscribePacket(version, 1, [{ filter: topic }]),
    ]) {
      const client = t.open();
      client.send(bytes);
      await client.untilClosed("a packet before CONNECT");
      t.equal(client.received, [], "answers before CONNECT");
    }
    t.equal(await t.before({ from: publisher, to: subscriber, topic }), [], "messages from before a CONNECT");
  }),
  check("a second CONNECT closes the connection", { 4: ["3.1.0-2", "4.8.0-1"], 5: ["3.1.0-2", "4.13.1-1"] }, (t) =>
    t.refused(connectPacket(t.version, { id: t.id() }), { why: "a second CONNECT", codes: [0x82] }),
  ),
  check("another protocol name is refused", { 4: ["3.1.2-1"], 5: ["3.1.2-1"] }, async (t) => {
    for (const name of ["MQTX", "mqtt", ""]) {
      const client = t.open({ unread: true });
      client.send(connectPacket(t.version, { id: t.id(), protocol: { name } }));
      await client.untilClosed(`protocol name "${name}"`);
      t.ok(client.raw.length === 0 || client.raw[3] !== 0, `protocol name "${name}" was accepted`);
    }
  }),
  check("protocol level 2 gets return code 1", { 4: ["3.1.2-2", "3.2.2-5"] }, async (t) => {
    t.equal(await level(t, 2), UNACCEPTABLE_LEVEL, "the answer to level 2");
  }),
  check("a protocol level of the future is refused", { 4: ["3.1.2-2"], 5: ["3.1.2-2"] }, async (t) => {
    // A server of both versions may answer in the form of either; one of MQTT 5 need not answer.
    for (const number of [6, 127, 255]) {
      const answer = await level(t, number);
      const isVersion5 = /^20..0084/.test(answer) || (answer === "" && t.version === 5);
      t.ok(answer === UNACCEPTABLE_LEVEL || isVersion5, `the answer to level ${number} is "${answer}"`);
    }
  }),
  check("every field of CONNECT is used", { 4: ["3.1.3-1", "3.1.2-9"], 5: ["3.1.3-1", "3.1.2-9"] }, async (t) => {
    const topic = t.topic("will");
    const { subscriber } = await t.pair(topic);
    const client = await t.connect({ id: t.id(), will: { ...WILL, topic }, user: "ann", password: "secret" });
    client.cut();
    const { payload, qos } = await subscriber.message();
    t.equal([payload, qos], ["the will", 1], "the will");
  }),
  check(
    "client ids of 1 to 23 letters and digits are accepted",
    { 4: ["3.1.3-5", "3.1.4-4"], 5: ["3.1.3-5", "3.1.4-5"] },
    async (t) => {
      const all = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
      const one = all[Math.floor(Math.random() * all.length)] ?? "a";
      for (const id of [one, all.slice(0, 23), all.slice(23, 46), all.slice(-23)]) {
        // Of several connections with one client id, the last one stays.
        const client = t.open();
        t.equal((await client.connect({ id })).code, 0, `the CONNACK for client id ${id}`);
      }
    },
  ),
  check("empty client ids get different ones", { 4: ["3.1.3-6"], 5: ["3.1.3-6", "3.1.3-7", "3.2.2-16"] }, async (t) => {
    const [first, second] = [await t.connect({ id: "" }), await t.connect({ id: "" })];
    await first.ping();
    await second.ping();
    if (t.version === 4) return;
    const ids = [first, second].map(({ connack }) => connack?.properties.assignedClientId);
    t.ok(
      ids.every((id) => id !== undefined && id !== ""),
      `assigned client ids are ${ids}`,
    );
    t.ok(ids[0] !== ids[1], "both clients got the same client id");
  }),
  check("an assigned client id names the session", { 5: ["3.1.3-7", "3.1.3-2"] }, async (t) => {
    const first = await t.connect({ id: "", clean: false, properties: { sessionExpiry: 60 } });
    await first.subscribe(t.topic("a"));
    await first.leave();
    const again = await t.persistent(first.connack?.properties.assignedClientId ?? "");
    t.equal(again.connack?.sessionPresent, true, "session present with the assigned client id");
  }),
  check(
    "an empty client id without clean session gets return code 2",
    { 4: ["3.1.3-8", "3.1.3-7", "3.1.3-9", "3.2.2-5"] },
    async (t) => {
      const client = t.open();
      t.equal((await client.connect({ id: "", clean: false })).code, 2, "the return code");
      await client.untilClosed("return code 2");
    },
  ),
  check("a client id that the server refuses", { 5: ["3.1.3-8", "3.2.2-7", "3.1.4-2", "4.13.2-1"] }, async (t) => {
    // A server may accept such ids; then there is nothing to test.
    const client = t.open();
    client.sendConnect({ id: "x".repeat(60_000) });
    await client.until(() => client.closed || client.received.length > 0, "an answer to a long client id");
    const code = client.received[0]?.code;
    if (code === 0) return;
    t.ok(code === undefined || code === 0x85 || code === 0x95, `the reason code is ${code}`);
    await client.untilClosed("a refused client id");
  }),
  check("nothing behind a refused CONNECT is processed", { 4: ["3.1.4-5"], 5: ["3.1.4-6", "3.2.2-7"] }, async (t) => {
    const topic = t.topic("a");
    const { subscriber, publisher } = await t.pair(topic);
    const client = t.open({ unread: true });
    const refusedConnect =
      t.version === 4
        ? connectPacket(4, { id: "", clean: false })
        : connectPacket(5, { id: t.id(), properties: { authMethod: "no such method" } });
    client.send(refusedConnect, publishPacket(t.version, topic, "behind"), PINGREQ);
    await client.untilClosed("a refused CONNECT");
    t.ok(!client.raw.includes(Buffer.from([0xd0, 0])), "a ping behind a refused CONNECT was answered");
    t.equal(await t.before({ from: publisher, to: subscriber, topic }), [], "messages behind a refused CONNECT");
  }),
  check("an unknown authentication method is refused", { 5: ["4.12.0-1", "4.13.2-1", "3.1.4-2"] }, async (t) => {
    const client = t.open();
    client.sendConnect({ id: t.id(), properties: { authMethod: "no such method" } });
    await client.untilClosed("an unknown authentication method");
    const codes = client.received.map(({ kind, code }) => `${kind} 0x${code.toString(16)}`);
    t.ok(
      codes.every((code) => code === "connack 0x8c" || code === "connack 0x87"),
      `answers are ${codes}`,
    );
  }),
  check("packets may follow CONNECT at once", { 4: ["3.1.4-4", "3.12.4-1"], 5: ["3.1.4-5", "3.12.4-1"] }, async (t) => {
    const client = t.open();
    const topic = t.topic("a");
    client.send(
      connectPacket(t.version, { id: t.id() }),
      subscribePacket(t.version, 1, [{ filter: topic, qos: 0 }]),
      publishPacket(t.version, topic, "x"),
      PINGREQ,
    );
    for (const kind of ["connack", "suback", "pingresp", "publish"] as const) await client.next(kind);
    client.send(disconnectPacket());
    await client.untilClosed("DISCONNECT");
  }),
  check("CONNACK explains nothing too long", { 5: ["3.1.4-5"] }, async (t) => {
    const small: Properties = { maximumPacketSize: 60, requestProblem: 0 };
    const client = await t.connect({ properties: small });
    await client.ping();
  }),
];

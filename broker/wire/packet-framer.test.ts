import fc from "fast-check";
import { generate, type Packet } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { publishPacket } from "../testing/test-support.ts";
import { PacketFramer } from "./packet-framer.ts";

const packet: fc.Arbitrary<Packet> = fc.oneof(
  fc
    .record({ payload: fc.string({ maxLength: 300 }), qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2) })
    .map(({ payload, qos }) => publishPacket("a/b", payload, { qos, id: 5 })),
  fc.constant<Packet>({ cmd: "pingreq" }),
  fc.constant<Packet>({ cmd: "puback", messageId: 3 }),
  fc.constant<Packet>({ cmd: "subscribe", messageId: 4, subscriptions: [{ topic: "x/#", qos: 1 }] }),
);

const ANYTHING = { publishesMax: 10, maySubscribe: true };
const SUBSCRIBE = generate({ cmd: "subscribe", messageId: 4, subscriptions: [{ topic: "x/#", qos: 1 }] });
const UNSUBSCRIBE = generate({ cmd: "unsubscribe", messageId: 4, unsubscriptions: ["x/#"] });

function connect(): Buffer {
  return generate({ cmd: "connect", clientId: "c", clean: true, keepalive: 0 });
}

describe("packet framer", () => {
  it("stops before the packet that exceeds the limit, however the bytes are split", () => {
    fc.assert(
      fc.property(
        fc.array(packet, { minLength: 1, maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 0, max: 8 }),
        (packets, cuts, budget) => {
          const bytes = Buffer.concat(packets.map((one) => generate(one)));
          let expected = 0;
          let publishes = 0;
          for (const one of packets) {
            if (one.cmd === "publish" && publishes++ === budget) break;
            expected += generate(one).length;
          }
          const framer = new PacketFramer(1_000_000);
          let at = 0;
          for (let i = 0; at < bytes.length; i++) {
            const chunk = bytes.subarray(at, at + (cuts[i % cuts.length] ?? 1));
            // Packets that began before this chunk count too. The caller knows them, except one that has partly
            // passed.
            const passed = framer.pass(chunk, { publishesMax: budget - complete(packets, at), maySubscribe: true });
            at += passed;
            // It also stops after each SUBSCRIBE, and then goes on.
            if (passed === 0) break;
          }
          expect(framer.fault).toBeUndefined();
          expect(at).toBe(expected);
        },
      ),
    );
  });

  it("stops after a CONNECT", () => {
    const framer = new PacketFramer(1_000);
    const bytes = Buffer.concat([connect(), generate({ cmd: "pingreq" })]);
    expect(framer.pass(bytes, ANYTHING)).toBe(connect().length);
    expect(framer.connects).toBe(1);
  });

  it.each([
    ["SUBSCRIBE", SUBSCRIBE],
    ["UNSUBSCRIBE", UNSUBSCRIBE],
  ])("stops after a %s, and before it while none may pass", (_name, one) => {
    const framer = new PacketFramer(1_000);
    const bytes = Buffer.concat([one, one]);
    expect(framer.pass(bytes, ANYTHING)).toBe(one.length);
    expect(framer.subscribeBytes).toBe(one.length - 2);
    expect(framer.pass(bytes.subarray(one.length), { ...ANYTHING, maySubscribe: false })).toBe(0);
    expect(framer.pass(bytes.subarray(one.length), ANYTHING)).toBe(one.length);
  });

  it("detects a packet that is too large by its length", () => {
    const framer = new PacketFramer(1_000);
    framer.pass(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]), ANYTHING);
    expect(framer.fault).toBe("packet-too-large");
  });

  it("detects a length of more than four bytes", () => {
    const framer = new PacketFramer(1_000);
    framer.pass(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01]), ANYTHING);
    expect(framer.fault).toBe("bad-length");
  });

  it.each([
    ["SUBSCRIBE", [0x82, 0x06, 0, 0, 0, 1, 0x61, 0]],
    ["UNSUBSCRIBE", [0xa2, 0x05, 0, 0, 0, 1, 0x61]],
    ["PUBREL", [0x62, 0x02, 0, 0]],
  ])("notices packet id 0 in %s, in one piece and byte by byte", (_name, bytes) => {
    const whole = new PacketFramer(1_000);
    whole.pass(Buffer.from(bytes), ANYTHING);
    expect(whole.fault).toBe("packet-id-zero");
    const single = new PacketFramer(1_000);
    for (const byte of bytes) if (single.fault === undefined) single.pass(Buffer.from([byte]), ANYTHING);
    expect(single.fault).toBe("packet-id-zero");
  });
});

/** Complete PUBLISH packets before a position. */
function complete(packets: readonly Packet[], position: number): number {
  let at = 0;
  let count = 0;
  for (const one of packets) {
    at += generate(one).length;
    if (at > position) break;
    if (one.cmd === "publish") count++;
  }
  return count;
}

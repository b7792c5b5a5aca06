import type { Socket } from "node:net";
import { generate } from "mqtt-packet";
import { type Attack, type AttackContext, connectAttacker, OWN_DOORS, pause } from "./attack.ts";
import { connectPacket, openSocket, openWire, publishPacket, RawClient, until } from "./client.ts";

const UPGRADE = "GET /mqtt HTTP/1.1\r\nHost: weir\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
const KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
const SILENT_SOCKETS = 6_000;
/** Each costs our own process a handshake, which the honest device would wait for. */
const SILENT_HANDSHAKES_SHARE = 20;
const PHANTOMS = 100;
const FILTERS = 1_000;
const SUBSCRIBES = 20;

/** Bytes after which a connection may be reset, of all protocols. */
const FRAGMENTS: readonly Uint8Array[] = [
  Buffer.alloc(0),
  connectPacket("fragment").subarray(0, 5),
  connectPacket("fragment"),
  Buffer.concat([connectPacket("fragment"), publishPacket("sensors/s/reset/telemetry", '{"n": 1}', 1)]),
  Buffer.concat([connectPacket("fragment"), publishPacket("a/b", "x".repeat(500), 1).subarray(0, 100)]),
  Buffer.from([0xff, 0xff, 0xff, 0xff]),
  Buffer.from("16030102000100", "hex"),
  Buffer.from(UPGRADE),
  Buffer.from(`${UPGRADE}${KEY}`),
  Buffer.concat([Buffer.from(`${UPGRADE}${KEY}`), Buffer.from([0x82, 0xff, 0, 0, 0, 1])]),
  Buffer.from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"),
];

/** Opens, sends a fragment and resets, again and again. */
async function resets(context: AttackContext): Promise<number> {
  for (let n = 0; performance.now() < context.untilMs; n++) {
    const fragment = FRAGMENTS[n % FRAGMENTS.length] ?? Buffer.alloc(0);
    // Over the door's transport every other time, and below it the other times.
    const raw = n % 2 === 0 ? openSocket(context.ports[context.door]) : undefined;
    const { socket, stream } = raw === undefined ? openWire(context.door, context.ports) : { socket: raw, stream: raw };
    stream.write(fragment);
    setTimeout(() => socket.resetAndDestroy(), n % 30);
    await pause();
  }
  return 0;
}

/** Sends CONNECT and the end of the connection at once, for sessions that have subscriptions to restore. */
async function phantoms(context: AttackContext): Promise<number> {
  const ids = Array.from({ length: PHANTOMS }, (_, n) => `phantom-${context.tag}-${n}`);
  const subscription = { topic: "sensors/#", qos: 1 } as const;
  for (const id of ids) {
    const client = await RawClient.connected(context.door, context.ports, id, { clean: false });
    client.write(generate({ cmd: "subscribe", messageId: 1, subscriptions: [subscription] }));
    await until(() => client.answers > 0, "SUBACK");
    client.end();
  }
  while (performance.now() < context.untilMs) {
    for (const id of ids) {
      const { stream } = openWire(context.door, context.ports);
      stream.resume();
      stream.end(connectPacket(id, { clean: false }));
      await pause();
    }
  }
  return 0;
}

/** Several clients send SUBSCRIBE packets of a thousand filters each. */
async function subscribeFlood(context: AttackContext): Promise<number> {
  const subscriptions = Array.from({ length: FILTERS }, (_, n) => ({ topic: `some/filter/${n}`, qos: 1 as const }));
  const packets = Array.from({ length: SUBSCRIBES }, (_, n) =>
    generate({ cmd: "subscribe", messageId: n + 1, subscriptions }),
  );
  const bytes = Buffer.concat(packets);
  for (let n = 0; performance.now() < context.untilMs; n++) {
    const id = `subscriber-${context.tag}-${n}`;
    const client = await RawClient.connected(context.door, context.ports, id, { clean: false });
    client.write(bytes);
    await until(() => client.answers === SUBSCRIBES || client.closed, "all SUBACKs");
    client.end();
  }
  return 0;
}

/** Opens thousands of connections and sends nothing. */
async function silentSockets(context: AttackContext): Promise<number> {
  const sockets: Socket[] = [];
  for (let n = 0; n < SILENT_SOCKETS; n++) {
    const isOpen = n % SILENT_HANDSHAKES_SHARE === 0;
    const socket = isOpen ? openWire(context.door, context.ports).socket : openSocket(context.ports[context.door]);
    sockets.push(socket);
    if (n % 10 === 0) await pause();
  }
  const client = await connectAttacker(context, 0);
  client.end();
  while (performance.now() < context.untilMs) await pause();
  for (const socket of sockets) socket.destroy();
  return 0;
}

/** Packets and frames above the limits, whole and only announced. */
async function oversizedFrames(context: AttackContext): Promise<number> {
  const announced = Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]);
  const whole = publishPacket("sensors/s/oversized/telemetry", "1".repeat(1_048_576), 1);
  const frame = Buffer.from([0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  for (let n = 0; performance.now() < context.untilMs; n++) {
    if (context.door === "ws" && n % 2 === 0) {
      const socket = openSocket(context.ports.ws);
      socket.write(Buffer.concat([Buffer.from(`${UPGRADE}${KEY}`), frame]));
      socket.resume();
      setTimeout(() => socket.destroy(), 500);
      await pause();
      continue;
    }
    const client = await RawClient.connected(context.door, context.ports, `oversized-${context.tag}-${n}`);
    client.write(n % 3 === 0 ? announced : whole);
    await until(() => client.closed, "the connection to be closed");
  }
  return 0;
}

export const CONNECTION_ATTACKS: readonly Attack[] = [
  { name: "resets in every state", doors: OWN_DOORS, run: resets },
  { name: "phantoms", doors: OWN_DOORS, run: phantoms },
  { name: "subscribe flood", doors: OWN_DOORS, run: subscribeFlood },
  { name: "silent sockets", doors: OWN_DOORS, run: silentSockets },
  { name: "oversized frames", doors: OWN_DOORS, run: oversizedFrames },
];

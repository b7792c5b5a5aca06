import { connect } from "node:net";
import type { WebSocket } from "ws";
import { type Check, check, type Scene } from "../scene/check.ts";
import { connectPacket, disconnectPacket, publishPacket } from "../wire/build.ts";
import { PINGREQ } from "../wire/bytes.ts";
import { openWebSocket } from "../wire/wire.ts";

/** MQTT over WebSocket: frames and subprotocol. */

interface Web {
  readonly socket: WebSocket;
  readonly bytes: () => Buffer;
  until(holds: () => boolean, what: string): Promise<void>;
}

async function withWebSocket(t: Scene, subprotocols: string[], act: (web: Web) => Promise<void>): Promise<void> {
  const address = t.target.ws;
  if (address === undefined) throw new Error("no address for WebSocket");
  const socket = openWebSocket(address, connect({ ...address, noDelay: true }), subprotocols);
  let bytes: Buffer = Buffer.alloc(0);
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (isBinary) bytes = Buffer.concat([bytes, data]);
  });
  const until: Web["until"] = async (holds, what) => {
    const endMs = performance.now() + 10_000;
    while (!holds()) {
      t.ok(performance.now() < endMs, `waited for ${what} in vain`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  try {
    await until(() => socket.readyState !== socket.CONNECTING, "the handshake");
    await act({ socket, bytes: () => bytes, until });
  } finally {
    socket.terminate();
  }
}

const PINGRESP = Buffer.from([0xd0, 0]);

export const WEB_SOCKET_CHECKS: readonly Check[] = [
  check(
    "the subprotocol mqtt is selected",
    { 4: ["6.0.0-4", "6.0.0-3"], 5: ["6.0.0-4", "6.0.0-3"] },
    async (t) => {
      for (const offered of [["mqtt"], ["other", "mqtt"]]) {
        await withWebSocket(t, offered, async ({ socket }) => {
          t.equal(socket.protocol, "mqtt", `the subprotocol for ${offered}`);
        });
      }
    },
    "ws",
  ),
  check(
    "packets need not fit frames",
    { 4: ["6.0.0-2"], 5: ["6.0.0-2"] },
    async (t) => {
      await withWebSocket(t, ["mqtt"], async ({ socket, bytes, until }) => {
        const { version } = t;
        const all = Buffer.concat([
          connectPacket(version, { id: t.id() }),
          publishPacket(version, t.topic("a"), "x", { qos: 1, id: 1 }),
          PINGREQ,
          publishPacket(version, t.topic("a"), "y", { qos: 1, id: 2 }),
        ]);
        for (const byte of all) socket.send(Buffer.from([byte]));
        const puback = (id: number) => Buffer.from([0, id]);
        await until(() => bytes().includes(puback(1)) && bytes().includes(puback(2)), "the PUBACKs");
        t.ok(bytes().includes(PINGRESP), "PINGRESP between them");
        socket.send(Buffer.concat([PINGREQ, PINGREQ, disconnectPacket()]));
        await until(() => socket.readyState === socket.CLOSED, "the end after DISCONNECT");
      });
    },
    "ws",
  ),
  check(
    "a text frame closes the connection",
    { 4: ["6.0.0-1"], 5: ["6.0.0-1"] },
    async (t) => {
      await withWebSocket(t, ["mqtt"], async ({ socket, bytes, until }) => {
        socket.send(connectPacket(t.version, { id: t.id() }));
        await until(() => bytes().length > 0, "CONNACK");
        socket.send("\u0000");
        await until(() => socket.readyState === socket.CLOSED, "the end after a text frame");
      });
    },
    "ws",
  ),
];

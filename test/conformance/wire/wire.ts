import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { createWebSocketStream, WebSocket } from "ws";

/** A broker under test, by its addresses; a transport without an address is not tested. */
export interface Target {
  readonly name: string;
  readonly tcp: Address;
  readonly ws?: Address;
  readonly tls?: Address;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export const TRANSPORTS = ["tcp", "ws", "tls"] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** A connection that carries bytes, and can break in ways that a client library does not. */
export interface Wire {
  write(bytes: Uint8Array): void;
  /** Closes our direction once all is written; over TCP the broker can still send. */
  half(): void;
  /** Breaks the connection: a reset, without a farewell of any layer. */
  cut(): void;
  /** Stops reading, so that the broker's output waits. */
  pause(): void;
  resume(): void;
}

export interface WireEvents {
  readonly onBytes: (bytes: Buffer) => void;
  readonly onClosed: () => void;
}

/** Opens a connection; bytes written before it is open wait. */
export function openWire(target: Target, transport: Transport, events: WireEvents): Wire {
  const address = target[transport];
  if (address === undefined) throw new Error(`${target.name} has no address for ${transport}`);
  const socket = connect({ ...address, noDelay: true });
  const stream = streamOf(transport, address, socket);
  let closed = false;
  const onClosed = () => {
    if (closed) return;
    closed = true;
    socket.destroy();
    events.onClosed();
  };
  stream.on("data", events.onBytes);
  for (const each of new Set<Duplex>([stream, socket])) {
    each.on("error", () => {});
    each.once("end", onClosed);
    each.once("close", onClosed);
  }
  return {
    write: (bytes) => void (stream.writable && stream.write(bytes)),
    half: () => void stream.end(),
    cut: () => {
      socket.resetAndDestroy();
      // Otherwise TLS over it would keep the process alive.
      stream.destroy();
    },
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
  };
}

function streamOf(transport: Transport, { host, port }: Address, socket: Socket): Duplex {
  if (transport === "tcp") return socket;
  if (transport === "tls") return connectTls({ socket, rejectUnauthorized: false });
  return createWebSocketStream(openWebSocket({ host, port }, socket));
}

export function openWebSocket({ host, port }: Address, socket: Socket, subprotocols = ["mqtt"]): WebSocket {
  const options = { createConnection: () => socket, perMessageDeflate: false };
  const webSocket = new WebSocket(`ws://${host}:${port}/mqtt`, subprotocols, options);
  webSocket.on("error", () => {});
  return webSocket;
}

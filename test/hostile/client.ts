import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { generate, type IConnectPacket, type IPublishPacket } from "mqtt-packet";
import { createWebSocketStream, WebSocket } from "ws";

/**
 * How a client reaches the gateway: directly, or through an outside broker that the gateway's bridge reads, over TCP or
 * TLS.
 */
export type Door = "tcp" | "tls" | "ws" | "bridge" | "bridge-tls";

export type Ports = Readonly<Record<Door, number>>;

const [PUBACK, SUBACK, PINGRESP, CONNACK] = [4, 9, 13, 2];
const WAIT_MS_MAX = 30_000;

export interface Wire {
  readonly socket: Socket;
  readonly stream: Duplex;
}

/** A TCP connection to a door, without TLS, upgrade or CONNECT. */
export function openSocket(port: number): Socket {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.on("error", () => {});
  return socket;
}

/** A connection that carries MQTT; bytes written before it is open wait. */
export function openWire(door: Door, ports: Ports): Wire {
  const socket = openSocket(ports[door]);
  if (door === "tls") {
    const stream = connectTls({ socket, rejectUnauthorized: false });
    stream.on("error", () => {});
    return { socket, stream };
  }
  if (door !== "ws") return { socket, stream: socket };
  const webSocket = new WebSocket(`ws://127.0.0.1:${ports.ws}/mqtt`, "mqtt", { createConnection: () => socket });
  webSocket.on("error", () => {});
  const stream = createWebSocketStream(webSocket);
  stream.on("error", () => {});
  return { socket, stream };
}

export function connectPacket(clientId: string, options: Partial<IConnectPacket> = {}): Buffer {
  return generate({ cmd: "connect", clientId, protocolVersion: 4, clean: true, keepalive: 0, ...options });
}

export function publishPacket(topic: string, payload: string | Buffer, messageId: number): Buffer {
  const packet: IPublishPacket = { cmd: "publish", topic, payload, qos: 1, dup: false, retain: false, messageId };
  return generate(packet);
}

/** A client that counts the answers to what it sends, and keeps nothing. */
export class RawClient {
  readonly #wire: Wire;
  #rest: Buffer = Buffer.alloc(0);
  #lastId = 0;
  readonly #onPuback: ((id: number) => void) | undefined;
  sent = 0;
  acknowledged = 0;
  answers = 0;
  isConnected = false;
  closed = false;

  private constructor(wire: Wire, onPuback?: (id: number) => void) {
    this.#wire = wire;
    this.#onPuback = onPuback;
    wire.stream.on("data", (bytes: Buffer) => this.#received(bytes));
    wire.socket.once("close", () => {
      this.closed = true;
    });
  }

  static async connected(
    door: Door,
    ports: Ports,
    clientId: string,
    options: Partial<IConnectPacket> & { readonly onPuback?: (id: number) => void } = {},
  ): Promise<RawClient> {
    const { onPuback, ...connectOptions } = options;
    const client = new RawClient(openWire(door, ports), onPuback);
    client.write(connectPacket(clientId, connectOptions));
    await until(() => client.isConnected || client.closed, `CONNACK of ${clientId}`);
    if (!client.isConnected) throw new Error(`${clientId} was not connected`);
    return client;
  }

  get inFlight(): number {
    return this.sent - this.acknowledged;
  }

  get backlog(): number {
    return this.#wire.stream.writableLength;
  }

  publish(topic: string, payload: string | Buffer): number {
    this.#lastId = (this.#lastId % 65_535) + 1;
    this.sent++;
    this.write(publishPacket(topic, payload, this.#lastId));
    return this.#lastId;
  }

  write(bytes: Uint8Array): void {
    if (!this.closed) this.#wire.stream.write(bytes);
  }

  end(): void {
    this.#wire.socket.destroy();
  }

  /** Waits until everything sent is acknowledged, or the connection ended. */
  async settled(): Promise<void> {
    await until(() => this.closed || this.inFlight === 0, "all acknowledgements", 4 * WAIT_MS_MAX);
  }

  #received(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    // Every answer is short: its length is one byte, or two for a SUBACK of many filters.
    while (all.length - at >= 2) {
      const first = all[at + 1] ?? 0;
      const long = first > 0x7f;
      if (long && all.length - at < 3) break;
      const length = long ? (first & 0x7f) | ((all[at + 2] ?? 0) << 7) : first;
      const end = at + (long ? 3 : 2) + length;
      if (end > all.length) break;
      this.#answered((all[at] ?? 0) >> 4, all, end);
      at = end;
    }
    this.#rest = all.subarray(at);
  }

  #answered(type: number, bytes: Buffer, end: number): void {
    if (type === PUBACK) {
      this.acknowledged++;
      this.#onPuback?.(bytes.readUInt16BE(end - 2));
    } else if (type === CONNACK) this.isConnected = bytes[end - 1] === 0;
    else if (type === SUBACK || type === PINGRESP) this.answers++;
  }
}

const POLL_MS = 5;

/** Polls until the condition holds; fails after the bound. */
export async function until(holds: () => boolean, what: string, waitMsMax = WAIT_MS_MAX): Promise<void> {
  const endMs = performance.now() + waitMsMax;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited ${waitMsMax} ms for ${what} in vain`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

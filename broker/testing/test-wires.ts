import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { connect, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { createWebSocketStream, WebSocket } from "ws";
import { until, type Wire } from "./test-support.ts";

/** Test support: connections over each transport, and the broker's end of them. */

export const TRANSPORTS = ["tcp", "tls", "ws"] as const;
export type Transport = (typeof TRANSPORTS)[number];

export function openSocket(port: number): Socket {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.on("error", () => {});
  return socket;
}

/** Opens a wire for MQTT on each transport; bytes written before it is open wait. */
export const openWire: Readonly<Record<Transport, (port: number) => Wire>> = {
  tcp: (port) => {
    const socket = openSocket(port);
    return { socket, stream: socket };
  },
  tls: (port) => {
    const socket = openSocket(port);
    const stream = connectTls({ socket, rejectUnauthorized: false });
    stream.on("error", () => {});
    return { socket, stream };
  },
  ws: (port) => {
    const { socket, webSocket } = openWebSocket(port);
    const stream = createWebSocketStream(webSocket);
    stream.on("error", () => {});
    return { socket, stream };
  },
};

export function openWebSocket(port: number): { readonly socket: Socket; readonly webSocket: WebSocket } {
  const socket = openSocket(port);
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, "mqtt", { createConnection: () => socket });
  webSocket.on("error", () => {});
  return { socket, webSocket };
}

/** The open sockets that servers in this process have accepted. */
export class AcceptedSockets {
  readonly #open = new Set<Socket>();
  readonly #accepted = (message: unknown) => {
    if (typeof message !== "object" || message === null || !("socket" in message)) return;
    const { socket } = message;
    if (!(socket instanceof Socket)) return;
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
  };

  watch(): void {
    subscribe("net.server.socket", this.#accepted);
  }

  unwatch(): void {
    unsubscribe("net.server.socket", this.#accepted);
    this.#open.clear();
  }

  get size(): number {
    return this.#open.size;
  }

  /** The other end of a client's socket, once it is accepted. */
  async otherEnd(client: Socket): Promise<Socket> {
    const find = () => [...this.#open].find(({ remotePort }) => remotePort === client.localPort);
    await until(() => client.localPort !== undefined && find() !== undefined, "the connection to be accepted");
    const socket = find();
    if (socket === undefined) throw new Error("the connection was closed");
    return socket;
  }

  /** Resolves when the server has read what `send` sends, or at least its beginning. Send little. */
  async untilRead(client: Socket, send: () => unknown): Promise<void> {
    const { bytesRead } = await this.otherEnd(client);
    const socket = await this.otherEnd(client);
    send();
    await until(() => socket.destroyed || socket.bytesRead > bytesRead, "the bytes to be read");
  }
}

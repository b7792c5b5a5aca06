import { createConnection, type Socket } from "node:net";
import { connectPacket, publishTemplate } from "../load/packets.ts";

const CONNACK = 0x20;
const PUBACK = 0x40;
const ID_MAX = 65_535;

/** A device that publishes with QoS 1 and reports each acknowledgement. */
export class DeviceClient {
  readonly #port: number;
  readonly #device: string;
  readonly #topic: string;
  /** By packet id: the caller's own data for the message. */
  readonly #inFlight = new Map<number, number>();
  readonly #acknowledged: (reference: number) => void;
  readonly #failed: (error: Error) => void;
  #socket: Socket | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #connected = () => {};
  #lastId = 0;

  constructor(options: {
    readonly port: number;
    readonly device: string;
    readonly topic: string;
    readonly acknowledged: (reference: number) => void;
    readonly failed: (error: Error) => void;
  }) {
    this.#port = options.port;
    this.#device = options.device;
    this.#topic = options.topic;
    this.#acknowledged = options.acknowledged;
    this.#failed = options.failed;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  connect(): Promise<void> {
    return new Promise((resolve) => {
      this.#connected = resolve;
      const socket = createConnection({ host: "127.0.0.1", port: this.#port, noDelay: true });
      this.#socket = socket;
      socket.on("data", (chunk) => this.#received(chunk));
      socket.on("error", (error) => this.#failed(error));
      socket.on("close", () => this.#failed(new Error(`the connection of ${this.#device} was closed`)));
      socket.write(connectPacket({ clientId: this.#device }));
    });
  }

  publish(payload: string, reference: number): void {
    if (this.#inFlight.size === ID_MAX) throw new Error(`${this.#device} has ${ID_MAX} messages in flight`);
    do this.#lastId = (this.#lastId % ID_MAX) + 1;
    while (this.#inFlight.has(this.#lastId));
    const { bytes, idAt } = publishTemplate(this.#topic, payload, 1);
    bytes.writeUInt16BE(this.#lastId, idAt);
    this.#inFlight.set(this.#lastId, reference);
    this.#socket?.write(bytes);
  }

  close(): void {
    this.#socket?.removeAllListeners("close");
    this.#socket?.end(Buffer.from([0xe0, 0x00]));
  }

  #received(chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    // All packets that arrive here are 4 bytes long.
    for (; at + 4 <= bytes.length; at += 4) {
      if (bytes[at] === CONNACK && bytes[at + 3] === 0) this.#connected();
      else if (bytes[at] === PUBACK) this.#settle(bytes.readUInt16BE(at + 2));
      else this.#failed(new Error(`${this.#device} got an unexpected packet 0x${bytes[at]?.toString(16)}`));
    }
    this.#rest = bytes.subarray(at);
  }

  #settle(id: number): void {
    const reference = this.#inFlight.get(id);
    if (reference === undefined) {
      this.#failed(new Error(`${this.#device} got an acknowledgement of ${id}, which it had not sent`));
      return;
    }
    this.#inFlight.delete(id);
    this.#acknowledged(reference);
  }
}

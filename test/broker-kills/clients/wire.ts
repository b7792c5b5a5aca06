import { connect, type Socket } from "node:net";
import { generate, type Packet, parser } from "mqtt-packet";

const MQTT_5 = { protocolVersion: 5 } as const;

export interface WireEvents {
  packet(packet: Packet): void;
  /** Once, for whatever reason; not after `destroy`. */
  closed(): void;
}

/** One TCP connection that carries packets of MQTT 5. */
export class Wire {
  readonly #socket: Socket;
  #isOpen = true;

  constructor(port: number, events: WireEvents) {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket = socket;
    const packets = parser(MQTT_5);
    packets.on("packet", (packet) => {
      if (this.#isOpen) events.packet(packet);
    });
    packets.on("error", () => socket.destroy());
    socket.on("data", (chunk) => packets.parse(chunk));
    socket.on("error", () => {});
    socket.once("close", () => {
      if (!this.#isOpen) return;
      this.#isOpen = false;
      events.closed();
    });
  }

  send(packet: Packet): void {
    if (this.#isOpen) this.#socket.write(generate(packet, MQTT_5));
  }

  /** Cuts it without a word. */
  destroy(): void {
    this.#isOpen = false;
    this.#socket.destroy();
  }
}

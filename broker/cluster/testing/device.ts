import { connect, type Socket } from "node:net";
import { generate, type IConnackPacket, type IPublishPacket, type Packet, parser, type QoS } from "mqtt-packet";

export interface DeviceOptions {
  readonly clientId: string;
  readonly version?: 3 | 4 | 5;
  /** Default: a session that lasts. */
  readonly clean?: boolean;
  readonly receiveMaximum?: number;
  readonly will?: { readonly topic: string; readonly payload: string; readonly qos: QoS; readonly delay?: number };
}

interface Filter {
  readonly topic: string;
  readonly qos: QoS;
  readonly nl?: boolean;
  readonly rap?: boolean;
  readonly rh?: 0 | 1 | 2;
}

interface Unfinished {
  readonly packet: IPublishPacket;
  isReceived: boolean;
  readonly done: () => void;
}

const EXPIRY_SECONDS = 600;
const CONNECT_MS_MAX = 20_000;

/**
 * A correct client: acknowledges what it gets, keeps its session over connections, and sends again what was not
 * acknowledged. Shares no code with the broker.
 */
export class Device {
  readonly #options: DeviceOptions;
  readonly #version: 3 | 4 | 5;
  #socket: Socket | undefined;
  #nextId = 1;
  readonly #unfinished = new Map<number, Unfinished>();
  /** QoS 2 messages that came and are not released. */
  readonly #incoming = new Set<number>();
  readonly #waiting = new Map<string, (packet: Packet) => void>();
  /** Of all connections; one with QoS 2 once, and one with QoS 1 again only if it was sent again. */
  readonly packets: IPublishPacket[] = [];
  connack: IConnackPacket | undefined;
  /** Reason codes of the broker's DISCONNECTs; -1 for an end without one. */
  readonly ends: number[] = [];
  /** Acknowledges nothing while false. */
  acknowledges = true;
  isConnected = false;
  /** Of its newest connection. */
  port = 0;

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.#version = options.version ?? 5;
  }

  static async connected(port: number, options: DeviceOptions): Promise<Device> {
    const device = new Device(options);
    await device.connect(port);
    return device;
  }

  get texts(): string[] {
    return this.packets.map(({ payload }) => payload.toString());
  }

  get unacknowledged(): number {
    return this.#unfinished.size;
  }

  /** Rejects when it is refused. */
  async connect(port: number): Promise<void> {
    const { clientId, clean = false, receiveMaximum, will } = this.#options;
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket = socket;
    this.port = port;
    const packets = parser({ protocolVersion: this.#version });
    let end = -1;
    const connack = new Promise<IConnackPacket>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("no CONNACK")), CONNECT_MS_MAX);
      socket.once("close", () => {
        clearTimeout(timer);
        if (this.#socket === socket) this.isConnected = false;
        this.ends.push(end);
        reject(new Error("closed before CONNACK"));
      });
      packets.on("packet", (packet: Packet) => {
        if (packet.cmd === "connack") {
          clearTimeout(timer);
          resolve(packet);
        } else if (packet.cmd === "disconnect") end = packet.reasonCode ?? 0;
        // What an earlier connection still brings is not acknowledged on this one.
        else if (this.#socket === socket) this.#take(packet);
      });
    });
    socket.on("data", (bytes) => packets.parse(bytes));
    socket.on("error", () => {});
    const properties = {
      ...(clean ? {} : { sessionExpiryInterval: EXPIRY_SECONDS }),
      ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
    };
    this.#send({
      ...{ cmd: "connect", clientId, clean, keepalive: 0, protocolVersion: this.#version },
      protocolId: this.#version === 3 ? "MQIsdp" : "MQTT",
      ...(this.#version === 5 ? { properties } : {}),
      ...(will === undefined ? {} : { will: this.#willOf(will) }),
    });
    this.connack = await connack;
    const code = this.connack.reasonCode ?? this.connack.returnCode ?? 0;
    if (code !== 0) throw new Error(`refused with ${code}`);
    this.isConnected = true;
    for (const [messageId, { packet, isReceived }] of this.#unfinished) {
      this.#send(isReceived ? { cmd: "pubrel", messageId } : { ...packet, dup: true });
    }
  }

  async subscribe(...filters: readonly Filter[]): Promise<void> {
    const messageId = this.#nextId++;
    const granted = this.#answer("suback", messageId);
    this.#send({ cmd: "subscribe", messageId, subscriptions: filters.map((filter) => ({ ...filter })) });
    await granted;
  }

  /** Resolves once it is acknowledged, perhaps over a later connection. */
  publish(topic: string, payload: string, qos: QoS, { retain = false } = {}): Promise<void> {
    const packet: IPublishPacket = { cmd: "publish", topic, payload, qos, dup: false, retain };
    if (qos === 0) {
      this.#send(packet);
      return Promise.resolve();
    }
    const messageId = this.#nextId;
    this.#nextId = (this.#nextId % 60_000) + 1;
    const numbered = { ...packet, messageId };
    return new Promise((resolve) => {
      this.#unfinished.set(messageId, { packet: numbered, isReceived: false, done: resolve });
      if (this.isConnected) this.#send(numbered);
    });
  }

  /** Without a word. */
  cut(): void {
    this.isConnected = false;
    this.#socket?.destroy();
  }

  disconnect(): void {
    this.#send({ cmd: "disconnect" });
    this.isConnected = false;
    this.#socket?.end();
  }

  #take(packet: Packet): void {
    const { messageId = 0 } = packet;
    if (packet.cmd === "publish") this.#received(packet);
    else if (packet.cmd === "pubrel") {
      this.#incoming.delete(messageId);
      this.#send({ cmd: "pubcomp", messageId });
    } else if (packet.cmd === "pubrec") {
      const unfinished = this.#unfinished.get(messageId);
      if (unfinished !== undefined) unfinished.isReceived = true;
      this.#send({ cmd: "pubrel", messageId });
    } else if (packet.cmd === "puback" || packet.cmd === "pubcomp") {
      this.#unfinished.get(messageId)?.done();
      this.#unfinished.delete(messageId);
    } else this.#waiting.get(`${packet.cmd} ${messageId}`)?.(packet);
  }

  #received(packet: IPublishPacket): void {
    const { qos, messageId = 0 } = packet;
    const isRepeat = qos === 2 && this.#incoming.has(messageId);
    if (!isRepeat) this.packets.push(packet);
    if (qos === 2) this.#incoming.add(messageId);
    if (qos > 0 && this.acknowledges) this.#send({ cmd: qos === 1 ? "puback" : "pubrec", messageId });
  }

  #answer(cmd: string, messageId: number): Promise<Packet> {
    return new Promise((resolve) => this.#waiting.set(`${cmd} ${messageId}`, resolve));
  }

  #willOf({ topic, payload, qos, delay }: NonNullable<DeviceOptions["will"]>) {
    const properties = this.#version === 5 && delay !== undefined ? { properties: { willDelayInterval: delay } } : {};
    return { topic, payload: Buffer.from(payload), qos, retain: false, ...properties };
  }

  #send(packet: Packet): void {
    if (this.#socket?.writable === true) this.#socket.write(generate(packet, { protocolVersion: this.#version }));
  }
}

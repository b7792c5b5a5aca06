import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { generate, type Packet, type Parser, parser } from "mqtt-packet";
import { fnv1a32 } from "../domain/partition.ts";
import type { ConnectionEvents } from "./events.ts";
import { createRandom } from "./random.ts";

export interface PublisherOptions {
  readonly url: string;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** The most unacknowledged messages, 1 to 10,000. */
  readonly inFlightMax: number;
  readonly keepaliveS?: number;
  readonly connectTimeoutMs?: number;
  readonly backoffMsMin?: number;
  readonly backoffMsMax?: number;
}

interface InFlight {
  readonly packet: Buffer;
  readonly onAcknowledged: () => void;
  acknowledged: boolean;
}

const PACKET_IDS = 65_535;
const DUPLICATE_FLAG = 0x08;
const IN_FLIGHT_MAX = 10_000;
/** How long a broker may take to close a connection after DISCONNECT. */
const LINGER_MS = 1000;

/**
 * A QoS 1 publisher with one connection that preserves order: messages reach the broker in the order of `publish`.
 * After a lost connection, all unacknowledged messages are sent again, oldest first, before newer ones. It reconnects
 * forever, with growing and jittered pauses. It is faster than a full client because it does nothing else.
 */
export class MqttPublisher {
  readonly #options: Required<Omit<PublisherOptions, "username" | "password">> & PublisherOptions;
  readonly #events: ConnectionEvents;
  readonly #random;
  /** Unacknowledged messages, oldest first: a ring of length `inFlightMax`. */
  readonly #window: (InFlight | undefined)[];
  /** Numbers, from 0, of the oldest unacknowledged message and of the next message. */
  #oldest = 0;
  #next = 0;
  /** Messages below this number were already written to a connection. */
  #written = 0;
  #resent = 0;
  #socket: Socket | undefined;
  #state: "idle" | "connecting" | "open" | "waiting" | "stopped" = "idle";
  #corked = false;
  #attempt = 0;
  #lastReadMs = 0;
  #lastWriteMs = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #keepaliveTimer: NodeJS.Timeout | undefined;
  #why = "not started";
  #wake: (() => void)[] = [];

  constructor(options: PublisherOptions, events: ConnectionEvents) {
    if (options.inFlightMax > IN_FLIGHT_MAX) throw new RangeError(`inFlightMax ${options.inFlightMax} is above 10,000`);
    this.#options = { keepaliveS: 60, connectTimeoutMs: 10_000, backoffMsMin: 50, backoffMsMax: 5000, ...options };
    this.#events = events;
    this.#random = createRandom(fnv1a32(options.clientId));
    this.#window = new Array<InFlight | undefined>(options.inFlightMax);
  }

  get connected(): boolean {
    return this.#state === "open";
  }

  /** Why it is not connected, for the health report. */
  get why(): string {
    return this.#why;
  }

  get inFlight(): number {
    return this.#next - this.#oldest;
  }

  get resent(): number {
    return this.#resent;
  }

  start(): void {
    if (this.#state !== "idle") return;
    this.#connect();
    const everyMs = Math.max(50, (this.#options.keepaliveS * 1000) / 4);
    this.#keepaliveTimer = setInterval(() => this.#keepAlive(), everyMs);
  }

  /** Whether `publish` has room now. */
  hasRoom(): boolean {
    return this.inFlight < this.#options.inFlightMax && this.#state !== "stopped";
  }

  /** Publishes a message; call it only when there is room. Calls `onAcknowledged` once, at the PUBACK. */
  publish(topic: string, payload: string, onAcknowledged: () => void): void {
    if (!this.hasRoom()) throw new Error(`publisher ${this.#options.clientId} has no room`);
    const messageId = (this.#next % PACKET_IDS) + 1;
    const packet = generate({ cmd: "publish", topic, payload, qos: 1, retain: false, dup: false, messageId });
    this.#window[this.#next % this.#window.length] = { packet, onAcknowledged, acknowledged: false };
    this.#next += 1;
    if (this.#state !== "open") return;
    this.#written = this.#next;
    this.#write(packet);
  }

  /** Resolves when there is room again, or after `stop`. */
  async room(): Promise<void> {
    while (!this.hasRoom() && this.#state !== "stopped") await this.#nextWake();
  }

  /** Resolves when everything is acknowledged, or after `stop`. */
  async drained(): Promise<void> {
    while (this.inFlight > 0 && this.#state !== "stopped") await this.#nextWake();
  }

  /** Disconnects at once; drain first to lose nothing. */
  stop(): void {
    if (this.#state === "stopped") return;
    const open = this.#state === "open";
    this.#state = "stopped";
    this.#why = "stopped";
    clearTimeout(this.#retryTimer);
    clearInterval(this.#keepaliveTimer);
    const socket = this.#socket;
    if (open) {
      socket?.end(generate({ cmd: "disconnect" }));
      setTimeout(() => socket?.destroy(), LINGER_MS).unref();
    } else socket?.destroy();
    this.#wakeAll();
  }

  #nextWake(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }

  #connect(): void {
    this.#state = "connecting";
    const { hostname, port, protocol } = new URL(this.#options.url);
    const host = hostname.replace(/^\[|\]$/g, "");
    const socket =
      protocol === "mqtts:"
        ? connectTls({ host, port: Number(port || 8883), servername: host })
        : connectTcp({ host, port: Number(port || 1883) });
    this.#socket = socket;
    socket.setNoDelay(true);
    let failure = "connection closed";
    // Covers the handshake too: a broker may accept the connection and then send nothing.
    const timer = setTimeout(() => socket.destroy(new Error("no CONNACK in time")), this.#options.connectTimeoutMs);
    const packets: Parser = parser();
    packets.on("packet", (packet: Packet) => {
      if (packet.cmd === "connack") {
        clearTimeout(timer);
        if (packet.returnCode === 0) this.#opened(socket);
        else {
          failure = `refused with code ${packet.returnCode}`;
          this.#events.connectionRefused(this.#options.clientId, packet.returnCode ?? -1);
          socket.destroy();
        }
      } else if (packet.cmd === "puback" && packet.messageId !== undefined) this.#acknowledged(packet.messageId);
    });
    packets.on("error", (error: Error) => socket.destroy(error));
    socket.once("connect", () => this.#sendConnect(socket));
    socket.on("data", (chunk: Buffer) => {
      this.#lastReadMs = performance.now();
      packets.parse(chunk);
    });
    socket.on("error", (error) => {
      failure = error.message === "" ? String(error) : error.message;
    });
    socket.once("close", () => {
      clearTimeout(timer);
      this.#closed(failure);
    });
  }

  #sendConnect(socket: Socket): void {
    const { clientId, username, password, keepaliveS } = this.#options;
    const packet = {
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 4,
      // The broker keeps no session: the publisher itself keeps unacknowledged messages.
      clean: true,
      clientId,
      keepalive: keepaliveS,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
    } as const;
    socket.write(generate(packet));
  }

  #opened(socket: Socket): void {
    if (this.#state !== "connecting" || socket !== this.#socket) return;
    this.#state = "open";
    this.#why = "";
    this.#attempt = 0;
    let resent = 0;
    for (let number = this.#oldest; number < this.#next; number++) {
      const message = this.#window[number % this.#window.length];
      if (message === undefined || message.acknowledged) continue;
      if (number < this.#written) {
        message.packet[0] = (message.packet[0] ?? 0) | DUPLICATE_FLAG;
        resent += 1;
      }
      this.#write(message.packet);
    }
    this.#written = this.#next;
    this.#resent += resent;
    this.#events.connectionOpened(this.#options.clientId, resent);
  }

  #closed(why: string): void {
    this.#socket = undefined;
    this.#corked = false;
    if (this.#state === "stopped") return;
    // `connectionRefused` reports refusals; further attempts while the broker is down would repeat the first report.
    if (this.#state === "open" || this.#attempt === 0) this.#events.connectionLost(this.#options.clientId, why);
    this.#state = "waiting";
    this.#why = why;
    const { backoffMsMin, backoffMsMax } = this.#options;
    const ceilingMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(this.#attempt, 16));
    this.#attempt += 1;
    this.#retryTimer = setTimeout(() => this.#connect(), ceilingMs * (0.5 + this.#random.next() / 2));
  }

  #acknowledged(messageId: number): void {
    const offset = (messageId - 1 - (this.#oldest % PACKET_IDS) + PACKET_IDS) % PACKET_IDS;
    // An id outside the window was already acknowledged, on this or an earlier connection.
    if (offset >= this.inFlight) return;
    const message = this.#window[(this.#oldest + offset) % this.#window.length];
    if (message === undefined || message.acknowledged) return;
    message.acknowledged = true;
    message.onAcknowledged();
    if (offset > 0) return;
    while (this.#oldest < this.#next && this.#window[this.#oldest % this.#window.length]?.acknowledged === true) {
      this.#window[this.#oldest % this.#window.length] = undefined;
      this.#oldest += 1;
    }
    this.#wakeAll();
  }

  /** One system call sends everything written in one turn of the event loop. */
  #write(packet: Buffer): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      setImmediate(() => {
        socket.uncork();
        if (socket === this.#socket) this.#corked = false;
      });
    }
    socket.write(packet);
    this.#lastWriteMs = performance.now();
  }

  #keepAlive(): void {
    if (this.#state !== "open") return;
    const keepaliveMs = this.#options.keepaliveS * 1000;
    const nowMs = performance.now();
    // A broker that withholds acknowledgements may be silent for some time; only a long silence means that it is
    // gone.
    if (nowMs - this.#lastReadMs > keepaliveMs * 2) this.#socket?.destroy(new Error("the broker sends nothing"));
    else if (nowMs - Math.min(this.#lastWriteMs, this.#lastReadMs) > keepaliveMs / 2) {
      this.#write(generate({ cmd: "pingreq" }));
    }
  }
}

import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { generate, type IConnackPacket, type IPublishPacket, type Packet, parser } from "mqtt-packet";
import { createWebSocketStream, WebSocket } from "ws";
import type { Clock } from "../../platform/clock.ts";
import type { InboundMessage } from "../../platform/publish-gate.ts";
import type { BridgeConfig } from "../common/config.ts";

export interface BridgeConnectionDeps {
  readonly accept: (message: InboundMessage, done: (error?: Error) => void) => void;
  readonly clock: Clock;
  onSubscribed(): void;
  onRefused(topic: string): void;
}

const PROTOCOL = { protocolVersion: 5 } as const;
/** Unacknowledged messages. At this limit, the bridge stops reading. */
const IN_FLIGHT_MAX = 2_000;
const SESSION_SECONDS = 7 * 86_400;
const KEEPALIVE_SECONDS = 30;
/** The broker must send something within this time, at least the answer to a ping. */
const SILENCE_MS_MAX = 2 * KEEPALIVE_SECONDS * 1000;
const PACKET_BYTES_MAX = 1024 * 1024;
const SUBSCRIBE_ID = 1;
/** MQTT 5 reason codes. */
const FAILURE = 0x80;
const SESSION_TAKEN_OVER = 0x8e;
const REASONS: Readonly<Record<number, string>> = {
  134: "bad user name or password",
  135: "not authorized",
  137: "server busy",
  139: "server shutting down",
  [SESSION_TAKEN_OVER]: "another client took over the session: give each gateway its own ingest.bridge.client_id",
};

/** A message on its way to the log. `packetId` is undefined for QoS 0. */
interface Pending {
  readonly qos: 0 | 1 | 2;
  readonly packetId: number | undefined;
  kept: boolean;
}

/**
 * One connection to an outside broker, MQTT 5. Many messages are in flight to the log at a time. Each is acknowledged
 * once it is in the log, in order of arrival. The broker resends unacknowledged messages on the next connection.
 */
export class BridgeConnection {
  readonly #config: BridgeConfig;
  readonly #password: string | undefined;
  readonly #deps: BridgeConnectionDeps;
  readonly #stream: Duplex;
  readonly #pending: Pending[] = [];
  /**
   * Ids of QoS 2 messages that are in the log but not released yet. A second message with such an id is a duplicate.
   */
  readonly #unreleased = new Set<number>();
  #acknowledgements: Buffer[] = [];
  #onSettled: (() => void) | undefined;
  #heardMs = performance.now();
  #pings: NodeJS.Timeout | undefined;
  #stopping = false;
  #why = "";
  /** Resolves with the reason when the connection has ended. */
  readonly ended: Promise<string>;

  constructor(config: BridgeConfig, password: string | undefined, deps: BridgeConnectionDeps) {
    this.#password = password;
    this.#config = config;
    this.#deps = deps;
    this.#stream = openStream(config.url);
    this.ended = new Promise((resolve) => {
      this.#stream.on("error", (error) => {
        this.#why ||= error.message || String(error);
      });
      this.#stream.once("close", () => {
        clearInterval(this.#pings);
        this.#onSettled?.();
        resolve(this.#why || "connection closed");
      });
    });
  }

  start(): void {
    const packets = parser(PROTOCOL);
    packets.on("packet", (packet: Packet) => this.#onPacket(packet));
    packets.on("error", (error: Error) => this.#drop(`the broker sent something that is not MQTT: ${error.message}`));
    this.#stream.on("data", (bytes: Buffer) => {
      this.#heardMs = performance.now();
      try {
        packets.parse(bytes);
      } catch (error) {
        // A bug of ours must not end the process: the same message would trigger it again at each start.
        this.#drop(`a packet could not be read: ${error instanceof Error ? error.message : error}`);
      }
    });
    this.#pings = setInterval(() => this.#ping(), (KEEPALIVE_SECONDS * 1000) / 2);
    const { client_id: clientId, username } = this.#config;
    const password = this.#password;
    this.#send({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 5,
      clientId,
      clean: false,
      keepalive: KEEPALIVE_SECONDS,
      properties: {
        sessionExpiryInterval: SESSION_SECONDS,
        receiveMaximum: IN_FLIGHT_MAX,
        maximumPacketSize: PACKET_BYTES_MAX,
      },
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
    });
  }

  /** Stops reading, acknowledges the messages that reach the log within `msMax`, and disconnects. */
  async stop(msMax: number): Promise<void> {
    this.#stopping = true;
    if (this.#pending.length > 0 && !this.#stream.destroyed) {
      await new Promise<void>((resolve) => {
        this.#onSettled = resolve;
        setTimeout(resolve, msMax).unref();
      });
    }
    this.#flush();
    if (!this.#stream.destroyed) this.#stream.end(generate({ cmd: "disconnect", reasonCode: 0 }, PROTOCOL));
    const overdue = setTimeout(() => this.#drop("stopped"), msMax);
    this.#stream.resume();
    await this.ended;
    clearTimeout(overdue);
  }

  #onPacket(packet: Packet): void {
    switch (packet.cmd) {
      case "connack":
        this.#onConnack(packet);
        break;
      case "suback":
        for (const [i, granted] of packet.granted.entries()) {
          if (Number(granted) >= FAILURE) this.#deps.onRefused(this.#config.topics[i] ?? "");
        }
        this.#deps.onSubscribed();
        break;
      case "publish":
        this.#onPublish(packet);
        break;
      case "pubrel":
        this.#unreleased.delete(packet.messageId ?? 0);
        this.#send({ cmd: "pubcomp", messageId: packet.messageId ?? 0, reasonCode: 0 });
        break;
      case "disconnect":
        this.#drop(reasonText(packet.reasonCode ?? 0));
        break;
      default:
    }
  }

  #onConnack({ reasonCode = 0 }: IConnackPacket): void {
    if (reasonCode >= FAILURE) {
      this.#drop(`refused: ${reasonText(reasonCode)}`);
      return;
    }
    const { topics, share, qos } = this.#config;
    this.#send({
      cmd: "subscribe",
      messageId: SUBSCRIBE_ID,
      // Retained messages arrive with a new subscription only, not with each connection.
      subscriptions: topics.map((topic) => ({
        topic: share === undefined ? topic : `$share/${share}/${topic}`,
        qos,
        rh: share === undefined ? 1 : 0,
      })),
    });
  }

  #onPublish(packet: IPublishPacket): void {
    if (this.#stopping) return;
    const { qos, messageId, topic, payload, retain } = packet;
    if (qos === 2 && messageId !== undefined && this.#unreleased.has(messageId)) {
      // Its first PUBREC was lost, or has not been sent yet.
      if (!this.#pending.some(({ packetId }) => packetId === messageId)) this.#acknowledge(2, messageId);
      return;
    }
    const pending: Pending = { qos, packetId: qos === 0 ? undefined : messageId, kept: false };
    if (qos === 2 && messageId !== undefined) this.#unreleased.add(messageId);
    this.#pending.push(pending);
    if (this.#pending.length >= IN_FLIGHT_MAX) this.#stream.pause();
    const message: InboundMessage = {
      topic,
      payload: typeof payload === "string" ? Buffer.from(payload) : payload,
      qos,
      retain,
      clientId: `bridge:${this.#config.client_id}`,
      sender: "bridge",
      receivedAtUs: this.#deps.clock.nowUs(),
    };
    this.#deps.accept(message, (error) => {
      if (error) {
        this.#drop(`a message could not be kept: ${error.message}`);
        return;
      }
      pending.kept = true;
      if (this.#pending[0] === pending) this.#settle();
    });
  }

  /** Acknowledges from the oldest on, up to the first message that is not in the log yet. */
  #settle(): void {
    let kept = 0;
    for (const { qos, packetId, kept: isKept } of this.#pending) {
      if (!isKept) break;
      kept++;
      if (packetId !== undefined) this.#acknowledge(qos, packetId);
    }
    this.#pending.splice(0, kept);
    if (this.#pending.length === 0) this.#onSettled?.();
    if (this.#stream.isPaused() && this.#pending.length < IN_FLIGHT_MAX / 2) {
      this.#heardMs = performance.now();
      this.#stream.resume();
    }
  }

  /** One frame stores many messages at once, so their acknowledgements share one write. */
  #acknowledge(qos: 0 | 1 | 2, messageId: number): void {
    if (this.#acknowledgements.length === 0) setImmediate(() => this.#flush());
    const cmd = qos === 2 ? "pubrec" : "puback";
    this.#acknowledgements.push(generate({ cmd, messageId, reasonCode: 0 }, PROTOCOL));
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#acknowledgements);
    this.#acknowledgements = [];
    if (bytes.length > 0 && this.#stream.writable) this.#stream.write(bytes);
  }

  #ping(): void {
    // While the bridge does not read, silence means nothing.
    if (!this.#stream.isPaused() && performance.now() - this.#heardMs > SILENCE_MS_MAX) {
      this.#drop("the broker does not answer");
    } else this.#send({ cmd: "pingreq" });
  }

  #send(packet: Packet): void {
    if (this.#stream.writable) this.#stream.write(generate(packet, PROTOCOL));
  }

  #drop(why: string): void {
    this.#why ||= why;
    this.#stream.destroy();
  }
}

function reasonText(code: number): string {
  return REASONS[code] ?? `reason code ${code}`;
}

const PORTS: Readonly<Record<string, number>> = { "mqtt:": 1883, "mqtts:": 8883 };

function openStream(address: string): Duplex {
  const url = new URL(address);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port) || (PORTS[url.protocol] ?? 0);
  if (url.protocol === "mqtt:") return connectTcp({ host, port, noDelay: true });
  if (url.protocol === "mqtts:") return connectTls({ host, port, servername: host });
  return createWebSocketStream(new WebSocket(url, "mqtt", { maxPayload: 8 * PACKET_BYTES_MAX }));
}

import type { Duplex } from "node:stream";
import {
  generate,
  type IConnackPacket,
  type IDisconnectPacket,
  type IPubackPacket,
  type Packet,
  parser,
} from "mqtt-packet";
import { reasonOf } from "../../domain/reason.ts";
import { disconnectFailure, type Failure, hostOf, networkFailure, refusedFailure } from "../common/reasons.ts";
import { openStream, type TlsSecrets } from "./open-stream.ts";

/** What a CONNECT says. */
export interface ConnectSettings {
  readonly url: string;
  readonly version: 4 | 5;
  /** MQTT 3.1.1 as mosquitto's bridges speak it: the broker does not send back what this client published. */
  readonly bridgeMode: boolean;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: TlsSecrets;
  readonly clean: boolean;
  readonly keepAliveSeconds: number;
  readonly sessionExpirySeconds: number;
  /** Messages that may be on their way here without an acknowledgement. */
  readonly receiveMaximum: number;
}

/** What the broker said in its CONNACK; where it says nothing, what the protocol says. */
export interface BrokerFacts {
  readonly sessionPresent: boolean;
  readonly receiveMaximum: number;
  readonly packetBytesMax: number;
  readonly maximumQos: 0 | 1 | 2;
  readonly retainAvailable: boolean;
  readonly sharedAvailable: boolean;
}

export interface ConnectionHandlers {
  onConnected(facts: BrokerFacts): void;
  /** PUBLISH and PUBREL. */
  onIncoming(packet: Packet): void;
  onPuback(packet: IPubackPacket): void;
}

export interface SubscribeWish {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  /** 0: retained messages now; 1: only if the subscription is new; 2: none. */
  readonly retainHandling: 0 | 1 | 2;
}

/** A larger packet ends the connection. Larger than what the log takes: such a message becomes a dead letter. */
export const PACKET_BYTES_MAX = 16 * 1_048_576;
const CONNECT_MS_MAX = 20_000;
const RECEIVE_MAXIMUM_DEFAULT = 65_535;
const FAILURE = 0x80;

/** One connection to an outside broker: CONNECT, keep-alive, subscriptions, and why it ended. */
export class Connection {
  readonly #settings: ConnectSettings;
  readonly #handlers: ConnectionHandlers;
  readonly #stream: Duplex;
  readonly #subacks = new Map<number, (granted: readonly number[]) => void>();
  #nextSubscribeId = 1;
  #heardMs = performance.now();
  #keepAliveMs: number;
  #timer: NodeJS.Timeout | undefined;
  #state: "opening" | "greeting" | "up" = "opening";
  /** Whether TCP is connected, for TLS. */
  #reached = false;
  #failure: Failure | undefined;
  /** Resolves with the reason when the connection has ended. */
  readonly ended: Promise<Failure>;

  constructor(settings: ConnectSettings, handlers: ConnectionHandlers) {
    this.#settings = settings;
    this.#handlers = handlers;
    this.#keepAliveMs = settings.keepAliveSeconds * 1_000;
    this.#stream = openStream(settings.url, { tls: settings.tls, payloadBytesMax: PACKET_BYTES_MAX });
    this.ended = new Promise((resolve) => {
      this.#stream.on("error", (error) => {
        // After the TLS handshake, the reason is the network's.
        this.#failure ??= networkFailure(error, settings.url);
      });
      this.#stream.once("close", () => {
        clearTimeout(this.#timer);
        for (const answered of this.#subacks.values()) answered([]);
        this.#subacks.clear();
        resolve(this.#failureAtEnd());
      });
    });
  }

  get version(): 4 | 5 {
    return this.#settings.version;
  }

  get writable(): boolean {
    return this.#stream.writable && this.#state === "up";
  }

  get backlogBytes(): number {
    return this.#stream.writableLength;
  }

  onceDrained(act: () => void): void {
    this.#stream.once("drain", act);
  }

  start(): void {
    const { url, version } = this.#settings;
    const packets = parser({ protocolVersion: version });
    packets.on("packet", (packet: Packet) => this.#onPacket(packet));
    packets.on("error", (error: Error) => this.drop(notMqtt(error.message, this.#state)));
    this.#stream.on("data", (bytes: Buffer) => {
      this.#heardMs = performance.now();
      if (this.#failure !== undefined) return;
      try {
        if (packets.parse(bytes) > PACKET_BYTES_MAX) this.drop(tooLarge());
      } catch (error) {
        // A bug of ours must not end the process: the same message would trigger it again at each start.
        this.drop({ kind: "gateway", text: `a packet could not be read: ${reasonOf(error)}` });
      }
    });
    this.#timer = setTimeout(() => this.drop(noAnswer(url, this.#state)), CONNECT_MS_MAX);
    this.#stream.once("connect", () => {
      this.#reached = true;
    });
    this.#stream.once(/^mqtts:/.test(url) ? "secureConnect" : "connect", () => this.#greet());
    // A stream over a WebSocket has no such event: it keeps what is written until it is open.
    if (/^wss?:/.test(url)) this.#greet();
  }

  /** Ends it with a reason. The first reason counts. */
  drop(failure: Failure): void {
    this.#failure ??= failure;
    this.#stream.destroy();
  }

  /** Says DISCONNECT, and ends the connection once that is written, or after `msMax`. */
  async disconnect(msMax: number): Promise<void> {
    this.#failure ??= { kind: "gateway", text: "stopped" };
    if (this.writable) this.#stream.end(this.encode({ cmd: "disconnect", reasonCode: 0 }));
    else this.#stream.destroy();
    const overdue = setTimeout(() => this.#stream.destroy(), msMax);
    this.#stream.resume();
    await this.ended;
    clearTimeout(overdue);
  }

  encode(packet: Packet): Buffer {
    return generate(packet, { protocolVersion: this.#settings.version });
  }

  write(bytes: Buffer): void {
    if (this.#stream.writable) this.#stream.write(bytes);
  }

  send(packet: Packet): void {
    this.write(this.encode(packet));
  }

  pauseReading(): void {
    this.#stream.pause();
  }

  resumeReading(): void {
    if (!this.#stream.isPaused()) return;
    this.#heardMs = performance.now();
    this.#stream.resume();
  }

  /** Resolves to the code for each filter; to an empty list when the connection ends before. */
  subscribe(wishes: readonly SubscribeWish[]): Promise<readonly number[]> {
    const messageId = this.#nextSubscribeId++;
    this.send({
      cmd: "subscribe",
      messageId,
      subscriptions: wishes.map(({ filter, qos, noLocal, retainHandling }) => ({
        topic: filter,
        qos,
        ...(this.#settings.version === 5 ? { nl: noLocal, rap: true, rh: retainHandling } : {}),
      })),
    });
    return new Promise((resolve) => {
      this.#subacks.set(messageId, resolve);
      // Ended already: nothing will answer.
      if (this.#stream.destroyed) resolve([]);
    });
  }

  unsubscribe(filters: readonly string[]): void {
    this.send({ cmd: "unsubscribe", messageId: this.#nextSubscribeId++, unsubscriptions: [...filters] });
  }

  #greet(): void {
    if (this.#state !== "opening") return;
    this.#state = "greeting";
    const { version, bridgeMode, clientId, username, password, clean, keepAliveSeconds } = this.#settings;
    const { sessionExpirySeconds, receiveMaximum } = this.#settings;
    this.#stream.write(
      this.encode({
        cmd: "connect",
        protocolId: "MQTT",
        protocolVersion: version,
        ...(bridgeMode ? { bridgeMode } : {}),
        clientId,
        clean,
        keepalive: keepAliveSeconds,
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password: Buffer.from(password) }),
        ...(version === 4
          ? {}
          : {
              properties: {
                sessionExpiryInterval: sessionExpirySeconds,
                receiveMaximum,
                maximumPacketSize: PACKET_BYTES_MAX,
              },
            }),
      }),
    );
  }

  #onPacket(packet: Packet): void {
    if (this.#failure !== undefined) return;
    if (packet.cmd === "connack") {
      this.#onConnack(packet);
      return;
    }
    if (this.#state !== "up") {
      this.drop(notMqtt(`it sent ${packet.cmd.toUpperCase()} before CONNACK`, this.#state));
      return;
    }
    switch (packet.cmd) {
      case "suback":
        this.#subacks.get(packet.messageId ?? 0)?.(packet.granted.map(Number));
        this.#subacks.delete(packet.messageId ?? 0);
        break;
      case "publish":
      case "pubrel":
        this.#handlers.onIncoming(packet);
        break;
      case "puback":
        this.#handlers.onPuback(packet);
        break;
      case "disconnect":
        this.#onDisconnect(packet);
        break;
      default:
    }
  }

  #onConnack({ reasonCode, returnCode, sessionPresent, properties = {} }: IConnackPacket): void {
    const { version, keepAliveSeconds } = this.#settings;
    const code = (version === 5 ? reasonCode : returnCode) ?? 0;
    // A broker that knows only 3.1.1 answers 1 to a CONNECT of version 5.
    if (code !== 0 || this.#state === "up") {
      const refused = code !== 0 && refusedFailure(version, code, properties.reasonString);
      this.drop(refused || notMqtt("it sent a second CONNACK", this.#state));
      return;
    }
    this.#state = "up";
    clearTimeout(this.#timer);
    this.#keepAliveMs = 1_000 * (properties.serverKeepAlive ?? keepAliveSeconds);
    this.#ping();
    const { maximumQoS } = properties;
    this.#handlers.onConnected({
      sessionPresent,
      receiveMaximum: properties.receiveMaximum ?? RECEIVE_MAXIMUM_DEFAULT,
      packetBytesMax: properties.maximumPacketSize ?? Number.POSITIVE_INFINITY,
      maximumQos: maximumQoS === 0 || maximumQoS === 1 ? maximumQoS : 2,
      retainAvailable: properties.retainAvailable ?? true,
      sharedAvailable: version === 5 && (properties.sharedSubscriptionAvailable ?? true),
    });
  }

  #onDisconnect({ reasonCode = 0, properties }: IDisconnectPacket): void {
    this.drop(disconnectFailure(reasonCode, properties?.reasonString));
  }

  /** Twice in the time in which the broker expects to hear something. */
  #ping(): void {
    if (this.#keepAliveMs === 0) return;
    this.#timer = setTimeout(() => {
      // While the bridge does not read, silence means nothing.
      if (!this.#stream.isPaused() && performance.now() - this.#heardMs > 2 * this.#keepAliveMs) {
        this.drop({ kind: "silent", text: "the broker does not answer any more; it or the network is down" });
        return;
      }
      this.send({ cmd: "pingreq" });
      this.#ping();
    }, this.#keepAliveMs / 2);
  }

  #failureAtEnd(): Failure {
    const { version, url } = this.#settings;
    const failure = this.#failure;
    if (this.#state === "greeting" && isHangUp(failure)) {
      const hint = version === 5 ? "it may expect TLS (mqtts://), or not speak MQTT 5" : "it may expect TLS (mqtts://)";
      const text = `the broker ended the connection instead of answering CONNECT; ${hint}`;
      const shown: Failure = failure?.kind === "not-mqtt" ? failure : { kind: "closed", text };
      // Old brokers end the connection without a word when they do not know the version.
      return version === 5 ? { ...shown, otherVersion: true } : shown;
    }
    if (this.#state === "opening" && this.#reached && isHangUp(failure)) {
      const text =
        "the broker ended the TLS handshake; if it does not speak TLS on this port, use mqtt:// or another port";
      return { kind: "tls", text };
    }
    const { hostname, port } = hostOf(url);
    return failure ?? { kind: "closed", text: `${hostname}:${port} closed the connection` };
  }
}

function isHangUp(failure: Failure | undefined): boolean {
  return failure === undefined || failure.kind === "closed" || failure.kind === "not-mqtt";
}

function notMqtt(what: string, state: string): Failure {
  const hint = state === "up" ? "" : "; is it an MQTT port, and does it expect TLS (mqtts://)?";
  return { kind: "not-mqtt", text: `the broker sent something that is not MQTT: ${what}${hint}` };
}

function tooLarge(): Failure {
  const text = `the broker sent a message larger than ${PACKET_BYTES_MAX / 1_048_576} MiB; delete it there, or lower the largest message that the broker accepts`;
  return { kind: "not-mqtt", text };
}

function noAnswer(url: string, state: string): Failure {
  const { hostname, port } = hostOf(url);
  const what = state === "opening" ? "no connection to" : "no CONNACK from";
  return {
    kind: "silent",
    text: `${what} ${hostname}:${port} within ${CONNECT_MS_MAX / 1_000} s; a firewall may be between`,
  };
}

export function isFailure(code: number): boolean {
  return code >= FAILURE;
}

import { execFile } from "node:child_process";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { promisify } from "node:util";
import { generate, type IConnackPacket, type IConnectPacket, type Packet, parser } from "mqtt-packet";
import pino from "pino";
import { systemClock } from "../../platform/clock.ts";
import { createMetrics } from "../../platform/metrics.ts";
import type { InboundMessage, PublishGate } from "../../platform/publish-gate.ts";
import { type Broker, type BrokerDeps, startBroker } from "../broker.ts";
import { brokerConfigSchema } from "../common/config.ts";

/** Test support: a broker whose gate the test controls, and a client that can send any bytes. */

/** Below vitest's test timeout, so that the message says what the test waited for. */
const WAIT_MS_MAX = 4_500;
const POLL_MS = 5;

/** A gate that finishes messages at once, or when the test calls `release`. */
export class FakeGate implements PublishGate {
  readonly messages: InboundMessage[] = [];
  readonly pending: { readonly message: InboundMessage; readonly done: (error?: Error) => void }[] = [];
  held: boolean;

  constructor(options: { readonly held?: boolean } = {}) {
    this.held = options.held ?? false;
  }

  accept(message: InboundMessage, done: (error?: Error) => void): void {
    this.messages.push(message);
    if (this.held) this.pending.push({ message, done });
    else done();
  }

  /** Finishes all pending messages; newest first on request. */
  release(options: { readonly newestFirst?: boolean } = {}): void {
    const pending = this.pending.splice(0);
    if (options.newestFirst === true) pending.reverse();
    for (const { done } of pending) done();
  }

  get texts(): string[] {
    return this.messages.map(({ topic, payload }) => `${topic} ${Buffer.from(payload).toString()}`);
  }
}

export interface TestBroker {
  readonly broker: Broker;
  readonly gate: FakeGate;
  readonly port: number;
  /** The lines of the log, parsed. */
  readonly log: Record<string, unknown>[];
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  stop(): Promise<void>;
}

const running: TestBroker[] = [];

export async function startTestBroker(
  config: Readonly<Record<string, unknown>> = {},
  gate: FakeGate = new FakeGate(),
  kept?: BrokerDeps["kept"],
): Promise<TestBroker> {
  const log: Record<string, unknown>[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void log.push(JSON.parse(line)) });
  const metrics = createMetrics();
  const deps = { clock: systemClock, logger, metrics, gate, ...(kept === undefined ? {} : { kept }) };
  const broker = await startBroker(brokerConfigSchema.parse({ mqtt_port: 0, ...config }), deps);
  async function metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const all = await metrics.registry.getSingleMetric(name)?.get();
    const matching = all?.values.filter((value) =>
      Object.entries(labels).every(([label, wanted]) => value.labels[label] === wanted),
    );
    return matching?.reduce((sum, value) => sum + value.value, 0) ?? Number.NaN;
  }
  const test = { broker, gate, port: broker.address.mqttPort, log, metric, stop: () => broker.stop() };
  running.push(test);
  return test;
}

const clients: RawClient[] = [];

/** For `afterEach`: stops everything that a test left running. */
export async function stopAll(): Promise<void> {
  for (const client of clients.splice(0)) client.socket.destroy();
  await Promise.all(running.splice(0).map(({ stop }) => stop()));
}

/** A connection to the broker. */
export interface Wire {
  /** The TCP connection. */
  readonly socket: Socket;
  /** Carries MQTT over it. */
  readonly stream: Duplex;
}

type Version = 3 | 4 | 5;

/** A client that sends exactly the packets or bytes it is given. */
export class RawClient {
  readonly socket: Socket;
  readonly #stream: Duplex;
  readonly #version: Version;
  readonly received: Packet[] = [];
  /** The answer to its CONNECT. */
  connack: IConnackPacket | undefined;
  closed = false;

  /** Connects by TCP to a port, or uses the given wire. */
  constructor(to: number | Wire, { version = 4 }: { readonly version?: Version } = {}) {
    const socket = typeof to === "number" ? connect({ port: to, host: "127.0.0.1", noDelay: true }) : to.socket;
    this.socket = socket;
    this.#stream = typeof to === "number" ? socket : to.stream;
    this.#version = version;
    const packets = parser({ protocolVersion: version });
    packets.on("packet", (packet) => this.received.push(packet));
    this.#stream.on("data", (chunk) => packets.parse(chunk));
    this.socket.on("close", () => {
      this.closed = true;
    });
    this.socket.on("error", () => {});
    clients.push(this);
  }

  static async connected(to: number | Wire, options: Partial<IConnectPacket> = {}): Promise<RawClient> {
    const client = new RawClient(to, { version: options.protocolVersion ?? 4 });
    const connack = await client.connect(options);
    if (connack !== 0) throw new Error(`connection refused with ${connack}`);
    return client;
  }

  /** Resolves to the return or reason code, or to "closed". */
  async connect(options: Partial<IConnectPacket> = {}): Promise<number | "closed"> {
    const protocolVersion = this.#version;
    this.send({ cmd: "connect", clientId: "raw", protocolVersion, clean: true, keepalive: 0, ...options });
    const connack = await this.#nextOrClosed("connack");
    if (connack !== "closed") this.connack = connack;
    return connack === "closed" ? "closed" : (connack.returnCode ?? connack.reasonCode ?? -1);
  }

  send(...packets: Packet[]): void {
    const options = { protocolVersion: this.#version };
    this.#stream.write(Buffer.concat(packets.map((packet) => generate(packet, options))));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }

  publish(topic: string, payload: string, options: { readonly qos?: 0 | 1 | 2; readonly id?: number } = {}): void {
    this.send(publishPacket(topic, payload, options));
  }

  /** Waits for the next packet of a kind, and removes it from `received`. */
  async next<Cmd extends Packet["cmd"]>(cmd: Cmd): Promise<Extract<Packet, { cmd: Cmd }>> {
    const packet = await this.#nextOrClosed(cmd);
    if (packet === "closed") throw new Error(`connection was closed before ${cmd}`);
    return packet;
  }

  ids(cmd: Packet["cmd"]): number[] {
    return this.received.filter((packet) => packet.cmd === cmd).map((packet) => packet.messageId ?? -1);
  }

  /** A round trip: the broker has read everything sent before. */
  async ping(): Promise<void> {
    this.send({ cmd: "pingreq" });
    await this.next("pingresp");
  }

  async untilClosed(): Promise<void> {
    await until(() => this.closed, "the connection to be closed");
  }

  async #nextOrClosed<Cmd extends Packet["cmd"]>(cmd: Cmd): Promise<Extract<Packet, { cmd: Cmd }> | "closed"> {
    const is = (packet: Packet): packet is Extract<Packet, { cmd: Cmd }> => packet.cmd === cmd;
    await until(() => this.closed || this.received.some(is), cmd);
    const packet = this.received.find(is);
    if (packet === undefined) return "closed";
    this.received.splice(this.received.indexOf(packet), 1);
    return packet;
  }
}

export function publishPacket(
  topic: string,
  payload: string,
  options: { readonly qos?: 0 | 1 | 2; readonly id?: number; readonly dup?: boolean; readonly retain?: boolean } = {},
): Packet {
  const { qos = 0, id, dup = false, retain = false } = options;
  return { cmd: "publish", topic, payload, qos, dup, retain, ...(id === undefined ? {} : { messageId: id }) };
}

/** Polls until the condition holds; fails after `waitMsMax`. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  waitMsMax: number = WAIT_MS_MAX,
): Promise<void> {
  const endMs = performance.now() + waitMsMax;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`waited ${waitMsMax} ms for ${what} in vain`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Runs one of mosquitto's clients until it exits. */
export function mosquitto(program: "mosquitto_pub" | "mosquitto_sub", args: readonly string[]) {
  return new Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resolve, reject) => {
    execFile(program, args, { timeout: WAIT_MS_MAX }, (error, stdout, stderr) => {
      if (error?.code === "ENOENT") {
        const hint = "install it with `apt-get install mosquitto-clients` (Debian) or `brew install mosquitto`";
        reject(new Error(`${program} is missing: ${hint}`, { cause: error }));
        return;
      }
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
  });
}

/** Writes a key and a certificate for 127.0.0.1 to the folder. */
export async function makeCertificate(
  folder: string,
): Promise<{ readonly key_file: string; readonly cert_file: string }> {
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await promisify(execFile)("openssl", [...made, ...subject, "-keyout", keyFile, "-out", certFile]);
  return { key_file: keyFile, cert_file: certFile };
}

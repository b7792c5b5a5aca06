import {
  acknowledgement,
  type ConnectOptions,
  connectPacket,
  disconnectPacket,
  type PublishOptions,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
  type Wish,
} from "./build.ts";
import { PINGREQ, type Version } from "./bytes.ts";
import type { Properties } from "./properties.ts";
import { type Kind, type Received, readPackets, ViolationError } from "./read.ts";
import { openWire, type Target, type Transport, type Wire } from "./wire.ts";
import { WireRules } from "./wire-rules.ts";

export interface ClientOptions {
  readonly target: Target;
  readonly transport: Transport;
  readonly version: Version;
  /** Called for what the server may not send. */
  readonly onViolation: (violation: ViolationError) => void;
  /** Called with what was sent and received, for people. */
  readonly onTrace?: (line: string) => void;
  /** Collects bytes in `raw` instead of reading packets: for answers in an unknown version. */
  readonly unread?: boolean;
}

/** An expectation of a check that the broker did not meet. */
export class ExpectationError extends Error {
  override readonly name = "ExpectationError";
}

/** Bounds a wait that ends by an event. On a busy machine, answers take long. */
export const WAIT_MS_MAX = 10_000;
const POLL_MS = 50;
const TRACED_BYTES_MAX = 120;

/** A client that sends exactly what it is asked to, and keeps what it receives, in order. */
export class Client {
  readonly version: Version;
  /** Received packets that nobody has taken yet. */
  readonly received: Received[] = [];
  connack: Received | undefined;
  clientId = "";
  closed = false;
  readonly #options: ClientOptions;
  readonly #wire: Wire;
  readonly #rules: WireRules;
  #bytes: Buffer = Buffer.alloc(0);
  #waiters: (() => void)[] = [];
  #lastId = 0;
  #broken: ViolationError | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.version = options.version;
    this.#rules = new WireRules(options.version);
    this.#wire = openWire(options.target, options.transport, {
      onBytes: (bytes) => this.#take(bytes),
      onClosed: () => {
        this.closed = true;
        this.#trace("closed");
        this.#wake();
      },
    });
  }

  get wire(): Wire {
    return this.#wire;
  }

  /** Received bytes that are not a whole packet; with `unread` all. */
  get raw(): Buffer {
    return this.#bytes;
  }

  get transport(): Transport {
    return this.#options.transport;
  }

  send(...packets: readonly Uint8Array[]): void {
    const bytes = Buffer.concat(packets);
    this.#trace("sent", bytes);
    this.#wire.write(bytes);
  }

  sendConnect(options: ConnectOptions): void {
    this.#rules.connecting(options);
    this.clientId = options.id ?? "";
    this.send(connectPacket(this.version, options));
  }

  /** Sends CONNECT; resolves to the CONNACK, whatever its code. */
  async connect(options: ConnectOptions): Promise<Received> {
    this.sendConnect(options);
    this.connack = await this.next("connack");
    return this.connack;
  }

  /** A packet id that this client has not used lately. */
  nextId(): number {
    this.#lastId = (this.#lastId % 60_000) + 1;
    return this.#lastId;
  }

  /** Publishes, and takes the acknowledgements. Resolves to the first one; undefined for QoS 0. */
  async publish(
    topic: string,
    payload: string | Uint8Array,
    options: PublishOptions = {},
  ): Promise<Received | undefined> {
    const id = options.id ?? this.nextId();
    this.send(publishPacket(this.version, topic, payload, { ...options, id }));
    if (options.qos === 1) return await this.next("puback", id);
    if (options.qos !== 2) return undefined;
    const pubrec = await this.next("pubrec", id);
    if (pubrec.code < 0x80) {
      this.send(acknowledgement("pubrel", id));
      await this.next("pubcomp", id);
    }
    return pubrec;
  }

  async subscribe(wishes: readonly Wish[] | string, properties: Properties = {}): Promise<Received> {
    const id = this.nextId();
    const list = typeof wishes === "string" ? [{ filter: wishes, qos: 2 as const }] : wishes;
    this.send(subscribePacket(this.version, id, list, properties));
    return await this.next("suback", id);
  }

  async unsubscribe(...filters: readonly string[]): Promise<Received> {
    const id = this.nextId();
    this.send(unsubscribePacket(this.version, id, filters));
    return await this.next("unsuback", id);
  }

  /** Sends PUBACK, PUBREC or PUBCOMP. */
  acknowledge(kind: "puback" | "pubrec" | "pubcomp", id: number, code?: number, properties?: Properties): void {
    if (kind !== "pubrec" || (code ?? 0) >= 0x80) this.#rules.acknowledged(id);
    this.send(acknowledgement(kind, id, code, properties));
  }

  /** Takes the next message and acknowledges it to the end. */
  async message(): Promise<Received> {
    const message = await this.next("publish");
    await this.finish(message);
    return message;
  }

  async finish({ qos, id }: Received): Promise<void> {
    if (qos === 1) this.acknowledge("puback", id);
    if (qos !== 2) return;
    this.acknowledge("pubrec", id);
    await this.next("pubrel", id);
    this.acknowledge("pubcomp", id);
  }

  /** A round trip: the broker has read everything that was sent before. */
  async ping(): Promise<void> {
    this.send(PINGREQ);
    await this.next("pingresp");
  }

  /** Waits for the next packet of the kind, and takes it out of `received`. */
  async next(kind: Kind, id?: number): Promise<Received> {
    const is = (packet: Received) => packet.kind === kind && (id === undefined || packet.id === id);
    await this.until(() => this.closed || this.received.some(is), `${kind}${id === undefined ? "" : ` ${id}`}`);
    const index = this.received.findIndex(is);
    const packet = this.received[index];
    if (packet === undefined) throw new ExpectationError(`the connection was closed before ${kind}${this.#had()}`);
    this.received.splice(index, 1);
    return packet;
  }

  /** Waits until the broker has closed the connection. */
  async untilClosed(why: string): Promise<void> {
    await this.until(() => this.closed, `the connection to be closed: ${why}`);
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    const endMs = performance.now() + WAIT_MS_MAX;
    while (!holds()) {
      if (this.#broken !== undefined) throw new ExpectationError(`cannot read on: ${this.#broken.message}`);
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new ExpectationError(`waited ${WAIT_MS_MAX} ms for ${what} in vain${this.#had()}`);
      await new Promise<void>((resolve) => {
        // Conditions may depend on other clients, too.
        const timer = setTimeout(resolve, Math.min(leftMs, POLL_MS));
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Says goodbye, as a client does: the broker need not be the first one to close. */
  async leave(code?: number, properties?: Properties): Promise<void> {
    this.send(disconnectPacket(code, properties));
    this.#wire.half();
    await this.untilClosed("after DISCONNECT");
  }

  cut(): void {
    this.#trace("cut");
    this.#wire.cut();
  }

  #had(): string {
    return this.received.length === 0 ? "" : `; had ${this.received.map(({ kind, id }) => `${kind} ${id}`).join(", ")}`;
  }

  #trace(what: string, bytes?: Buffer): void {
    const hex = bytes === undefined ? "" : ` ${bytes.subarray(0, TRACED_BYTES_MAX).toString("hex")}`;
    this.#options.onTrace?.(`${what}${hex}${(bytes?.length ?? 0) > TRACED_BYTES_MAX ? "..." : ""}`);
  }

  #take(bytes: Buffer): void {
    this.#trace("got", bytes);
    if (this.#broken !== undefined) return;
    if (this.#options.unread === true) {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#wake();
      return;
    }
    try {
      const { packets, rest } = readPackets(this.version, Buffer.concat([this.#bytes, bytes]));
      this.#bytes = rest;
      for (const packet of packets) this.received.push(this.#checked(packet));
    } catch (error) {
      if (!(error instanceof ViolationError)) throw error;
      this.#broken = error;
      this.#options.onViolation(error);
    }
    this.#wake();
  }

  #checked(packet: Received): Received {
    try {
      return this.#rules.check(packet);
    } catch (error) {
      if (!(error instanceof ViolationError)) throw error;
      this.#options.onViolation(error);
      return packet;
    }
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

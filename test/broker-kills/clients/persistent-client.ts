import type { IConnackPacket, IConnectPacket, Packet } from "mqtt-packet";
import type { Random } from "../../simulation/random.ts";
import type { Oracle } from "../oracle/oracle.ts";
import { Wire } from "./wire.ts";

export interface ClientOptions {
  readonly clientId: string;
  /** Of the broker to connect to next. */
  readonly port: () => number;
  readonly random: Random;
  readonly oracle: Oracle;
}

export const SESSION_EXPIRY_SECONDS = 36_000;
const KEEPALIVE_SECONDS = 600;
const RETRY_MS_MIN = 10;
const RETRY_MS_MAX = 150;
/** A broker that accepts a connection and then says nothing. */
const CONNACK_MS_MAX = 15_000;

/** A client with a session that must survive everything. While it wants to be connected, it connects again and again. */
export abstract class PersistentClient {
  protected readonly options: ClientOptions;
  #wire: Wire | undefined;
  #isWanted = false;
  #isHere = false;
  /** A CONNACK came once: from then on the broker must know the session. */
  #isKnown = false;
  #timer: NodeJS.Timeout | undefined;
  refusals = 0;

  constructor(options: ClientOptions) {
    this.options = options;
  }

  get isHere(): boolean {
    return this.#isHere;
  }

  /** Connects, and stays connected. */
  come(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#connect();
  }

  /** Closes the connection, or cuts it without a DISCONNECT. */
  leave(how: "close" | "cut"): void {
    if (!this.#isWanted) return;
    this.#isWanted = false;
    clearTimeout(this.#timer);
    if (how === "close") this.send({ cmd: "disconnect", reasonCode: 0 });
    const wire = this.#wire;
    this.#wire = undefined;
    // A DISCONNECT needs a moment to go out; nothing is read any more.
    if (how === "close") setTimeout(() => wire?.destroy(), RETRY_MS_MAX);
    else wire?.destroy();
    this.#gone();
  }

  protected send(packet: Packet): void {
    this.#wire?.send(packet);
  }

  /** More of the CONNECT packet; called for each attempt. */
  protected connectMore(): Partial<IConnectPacket> {
    return {};
  }

  /** The broker accepted the connection. */
  protected abstract onConnected(connack: IConnackPacket): void;
  protected abstract onPacket(packet: Packet): void;
  /** The connection that was accepted ended. */
  protected abstract onGone(): void;
  /** The broker forgot the session, which is wrong; start from nothing. */
  protected abstract onForgotten(): void;

  #connect(): void {
    const wire = new Wire(this.options.port(), {
      packet: (packet) => {
        if (this.#wire === wire) this.#take(packet);
      },
      closed: () => {
        if (this.#wire === wire) this.#lost();
      },
    });
    this.#wire = wire;
    const { clientId } = this.options;
    const properties = { sessionExpiryInterval: SESSION_EXPIRY_SECONDS };
    const session = { clean: false, keepalive: KEEPALIVE_SECONDS, properties };
    const version = { protocolId: "MQTT", protocolVersion: 5 } as const;
    wire.send({ cmd: "connect", clientId, ...version, ...session, ...this.connectMore() });
    this.#timer = setTimeout(() => {
      if (this.#wire !== wire || this.#isHere) return;
      wire.destroy();
      this.#lost();
    }, CONNACK_MS_MAX);
  }

  #take(packet: Packet): void {
    if (packet.cmd !== "connack") {
      if (this.#isHere) this.onPacket(packet);
      return;
    }
    clearTimeout(this.#timer);
    if ((packet.reasonCode ?? 0) !== 0) {
      this.refusals += 1;
      this.#wire?.destroy();
      this.#lost();
      return;
    }
    if (this.#isKnown && !packet.sessionPresent) {
      this.options.oracle.differences.add("session lost", this.options.clientId);
      this.onForgotten();
    }
    this.#isKnown = true;
    this.#isHere = true;
    this.onConnected(packet);
  }

  #lost(): void {
    this.#wire = undefined;
    clearTimeout(this.#timer);
    this.#gone();
    if (!this.#isWanted) return;
    const { random } = this.options;
    this.#timer = setTimeout(() => this.#connect(), random.whole(RETRY_MS_MIN, RETRY_MS_MAX));
  }

  #gone(): void {
    if (!this.#isHere) return;
    this.#isHere = false;
    this.onGone();
  }
}

import type { ConnectOptions } from "./build.ts";
import type { Version } from "./bytes.ts";
import { type Received, ViolationError } from "./read.ts";

/**
 * Rules that hold for every packet that a server sends on any connection, beyond its format. The reader checks the
 * format. Together they watch all connections of the suite.
 */
export class WireRules {
  readonly #version: Version;
  #options: ConnectOptions = {};
  #connected = false;
  #disconnected = false;
  readonly #aliases = new Map<number, string>();
  /** Packet ids of QoS 1 and 2 messages that we have not acknowledged to the end. */
  readonly #inFlight = new Set<number>();

  constructor(version: Version) {
    this.#version = version;
  }

  connecting(options: ConnectOptions): void {
    this.#options = options;
  }

  /** We sent a PUBACK, a PUBCOMP, or a PUBREC with an error. */
  acknowledged(id: number): void {
    this.#inFlight.delete(id);
  }

  /** Returns the packet, with its topic if it has an alias only. @throws ViolationError */
  check(packet: Received): Received {
    const { kind, size } = packet;
    const { maximumPacketSize } = this.#options.properties ?? {};
    if (maximumPacketSize !== undefined && size > maximumPacketSize) {
      throw new ViolationError(`${kind} has ${size} of at most ${maximumPacketSize} bytes`, {
        5: TOO_LARGE[kind] ?? "3.1.2-24",
      });
    }
    if (this.#disconnected) throw new ViolationError(`${kind} after DISCONNECT`, { 5: "3.14.4-1" });
    if (kind === "connack") this.#checkConnack(packet);
    else if (!this.#connected && kind !== "auth") {
      const disconnect = kind === "disconnect";
      throw new ViolationError(`${kind} before CONNACK`, { 4: "3.2.0-1", 5: disconnect ? "3.14.0-1" : "3.2.0-1" });
    }
    if (kind === "disconnect") this.#disconnected = true;
    if (kind === "auth" && this.#options.properties?.authMethod === undefined) {
      throw new ViolationError("AUTH without an authentication method", { 5: "4.12.0-6" });
    }
    this.#checkProblem(packet);
    return kind === "publish" ? this.#checkPublish(packet) : packet;
  }

  #checkConnack({ code, sessionPresent, properties }: Received): void {
    if (this.#connected) throw new ViolationError("a second CONNACK", { 5: "3.2.0-2" });
    if (code === 0) this.#connected = true;
    if (code !== 0 && sessionPresent) {
      throw new ViolationError("a refusal with a session present", { 4: "3.2.2-4", 5: "3.2.2-6" });
    }
    if (properties.authMethod !== this.#options.properties?.authMethod && code === 0) {
      throw new ViolationError("CONNACK with another authentication method", { 5: "4.12.0-6" });
    }
    if (properties.responseInformation !== undefined && this.#options.properties?.requestResponse !== 1) {
      throw new ViolationError("response information that was not asked for", { 5: "3.1.2-28" });
    }
  }

  #checkProblem({ kind, properties }: Received): void {
    if (this.#options.properties?.requestProblem !== 0) return;
    if (kind === "connack" || kind === "disconnect" || kind === "publish") return;
    if (properties.reason === undefined && properties.user === undefined) return;
    throw new ViolationError(`${kind} explains itself, which was declined`, { 5: "3.1.2-29" });
  }

  #checkPublish(packet: Received): Received {
    const { id, qos, dup } = packet;
    const named = this.#checkAlias(packet);
    if (qos === 0) return named;
    if (this.#inFlight.has(id)) {
      throw new ViolationError(`packet id ${id} is in use`, { 4: "2.3.1-4", 5: dup ? "4.4.0-1" : "2.2.1-4" });
    }
    this.#inFlight.add(id);
    const receiveMaximum = this.#version === 5 ? (this.#options.properties?.receiveMaximum ?? 65_535) : 65_535;
    if (this.#inFlight.size > receiveMaximum) {
      throw new ViolationError(`${this.#inFlight.size} messages in flight, more than receive maximum`, {
        5: "3.3.4-9",
      });
    }
    return named;
  }

  #checkAlias(packet: Received): Received {
    const { topicAlias } = packet.properties;
    if (topicAlias === undefined) return packet;
    const max = this.#options.properties?.topicAliasMaximum ?? 0;
    if (topicAlias === 0) throw new ViolationError("topic alias 0", { 5: "3.3.2-8" });
    if (topicAlias > max) {
      throw new ViolationError(`topic alias ${topicAlias} of at most ${max}`, {
        5: max === 0 ? "3.1.2-27" : "3.1.2-26",
      });
    }
    if (packet.topic !== "") {
      this.#aliases.set(topicAlias, packet.topic);
      return packet;
    }
    const topic = this.#aliases.get(topicAlias);
    if (topic === undefined) throw new ViolationError(`topic alias ${topicAlias} without a topic`, { 5: "3.3.2-11" });
    return { ...packet, topic };
  }
}

/** The statements about reason strings and user properties that make a packet too large. */
const TOO_LARGE: Readonly<Record<string, string>> = {
  connack: "3.2.2-19",
  puback: "3.4.2-2",
  pubrec: "3.5.2-2",
  pubrel: "3.6.2-2",
  pubcomp: "3.7.2-2",
  suback: "3.9.2-1",
  unsuback: "3.11.2-1",
  disconnect: "3.14.2-3",
  auth: "3.15.2-2",
};

import { ByteReader, decodeUtf8, malformed, PacketError, protocolError } from "./packets/bytes.ts";
import type { Qos, Version } from "./packets/packets.ts";
import { NO_PROPERTIES, type Properties, readProperties } from "./packets/properties.ts";
import { REASON } from "./packets/reason-codes.ts";
import { messageProperties, type PublishFields } from "./pending-publish.ts";
import { topicFault } from "./topics.ts";

/** A PUBLISH, read from the stream. Its payload is a view of the socket's bytes. */
export interface ReadPublish extends PublishFields {
  readonly payload: Buffer;
}

const RETAIN = 0x01;
const DUP = 0x08;
/** Longer topics are decoded each time: comparing them byte by byte would take as long. */
const KNOWN_BYTES_MAX = 512;
/** All topics behind the aliases of one client together. */
const ALIASED_CHARS_MAX = 16 * 1024;

/**
 * Reads PUBLISH packets, nearly all of the traffic, with as few objects as possible (ADR 9). Keeps the client's topic
 * aliases.
 */
export class PublishReader {
  readonly #topicLevelsMax: number;
  readonly #aliasMax: number;
  /** A client mostly publishes to one topic. A repeated topic needs neither decoding nor checking. */
  #topicBytes: Uint8Array = new Uint8Array(0);
  #topic = "";
  readonly #aliases = new Map<number, string>();
  #aliasedChars = 0;
  /** Set by the CONNECT. */
  version: Version = 4;

  constructor(options: { readonly topicLevelsMax: number; readonly topicAliasMax: number }) {
    this.#topicLevelsMax = options.topicLevelsMax;
    this.#aliasMax = options.topicAliasMax;
  }

  /**
   * The publish whose fixed header begins at `at`, its body at `bodyAt`, and that ends at `end`.
   * @throws PacketError if it is malformed or names an invalid topic
   */
  read(chunk: Buffer, at: number, bodyAt: number, end: number): ReadPublish {
    const head = chunk[at] ?? 0;
    const qos = qosOf(head);
    const topicAt = bodyAt + 2;
    const idAt = topicAt + uint16(chunk, bodyAt);
    let payloadAt = qos > 0 ? idAt + 2 : idAt;
    if (end - bodyAt < 2 || payloadAt > end) {
      throw new PacketError(REASON.malformed, "PUBLISH ends within a field", "bad-length");
    }
    const messageId = qos > 0 ? uint16(chunk, idAt) : 0;
    if (qos > 0 && messageId === 0) {
      throw new PacketError(REASON.protocolError, "PUBLISH has the packet id 0", "packet-id-zero");
    }
    let properties = NO_PROPERTIES;
    let topic: string | undefined;
    if (this.version === 5) {
      if (qos === 0 && (head & DUP) !== 0) throw malformed("PUBLISH with QoS 0 has DUP");
      if (chunk[payloadAt] === 0 && payloadAt < end) {
        payloadAt++;
      } else {
        const reader = new ByteReader(chunk, payloadAt, end);
        properties = readProperties(reader, "publish");
        payloadAt = reader.at;
        topic = this.#aliased(properties, chunk, topicAt, idAt);
        if (properties.responseTopic !== undefined) checkResponseTopic(properties.responseTopic);
      }
    }
    topic ??= this.#topicOf(chunk, topicAt, idAt);
    const payload = chunk.subarray(payloadAt, end);
    const retain = (head & RETAIN) !== 0;
    if (properties === NO_PROPERTIES) {
      return { topic, payload, qos, retain, messageId, properties: undefined, expirySeconds: undefined };
    }
    const expirySeconds = properties.messageExpiryInterval;
    return { topic, payload, qos, retain, messageId, properties: messageProperties(properties), expirySeconds };
  }

  /** The topic that an alias stands for, or that it gets now; undefined without an alias. */
  #aliased({ topicAlias: alias }: Properties, chunk: Buffer, from: number, to: number): string | undefined {
    if (alias === undefined) return undefined;
    if (alias === 0 || alias > this.#aliasMax) {
      throw new PacketError(REASON.topicAliasInvalid, `the topic alias ${alias} is not from 1 to ${this.#aliasMax}`);
    }
    const known = this.#aliases.get(alias);
    if (from === to) {
      if (known === undefined) throw protocolError(`the topic alias ${alias} was not set`);
      return known;
    }
    const topic = this.#topicOf(chunk, from, to);
    this.#aliasedChars += topic.length - (known?.length ?? 0);
    if (this.#aliasedChars > ALIASED_CHARS_MAX) {
      throw new PacketError(REASON.quotaExceeded, `topic aliases stand for more than ${ALIASED_CHARS_MAX} characters`);
    }
    this.#aliases.set(alias, topic);
    return topic;
  }

  #topicOf(chunk: Buffer, from: number, to: number): string {
    if (this.#isCurrentTopic(chunk, from, to)) return this.#topic;
    const topic = decodeUtf8(chunk.subarray(from, to));
    if (topicFault(topic, this.#topicLevelsMax) === "bad-topic") {
      const reasonCode = topic.includes("\u0000") ? REASON.malformed : REASON.topicInvalid;
      throw new PacketError(reasonCode, "PUBLISH has an invalid topic", "bad-topic");
    }
    if (to - from <= KNOWN_BYTES_MAX) {
      this.#topic = topic;
      this.#topicBytes = Uint8Array.prototype.slice.call(chunk, from, to);
    }
    return topic;
  }

  #isCurrentTopic(chunk: Buffer, from: number, to: number): boolean {
    const known = this.#topicBytes;
    if (known.length !== to - from || known.length === 0) return false;
    for (let i = 0; i < known.length; i++) if (known[i] !== chunk[from + i]) return false;
    return true;
  }
}

function qosOf(head: number): Qos {
  const qos = (head >> 1) & 0x03;
  if (qos === 0 || qos === 1 || qos === 2) return qos;
  throw malformed("PUBLISH has QoS 3");
}

function checkResponseTopic(topic: string): void {
  if (topic === "" || /[+#]/.test(topic)) throw protocolError("the response topic is not a topic");
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

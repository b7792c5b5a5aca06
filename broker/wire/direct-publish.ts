import { PUBLISH } from "./packet-framer.ts";
import { topicFault } from "./topics.ts";

/** A PUBLISH with QoS 0 or 1, read from the stream. */
export interface DirectPublish {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** 0 with QoS 0. */
  readonly messageId: number;
  /** Where the next packet begins. */
  readonly end: number;
}

const RETAIN = 0x01;
const QOS = 0x06;
const QOS_1 = 0x02;
/** Leaves longer topics to Aedes: here a topic is compared byte by byte. */
const TOPIC_BYTES_MAX = 512;

/**
 * Reads the publishes that make up nearly all traffic straight from the socket's bytes (ADR 9): Aedes takes several
 * times as long for them, and keeps many objects for each until it is acknowledged. Leaves packets that are
 * incomplete, unusual or faulty to Aedes, which also reports what is wrong with them.
 */
export class DirectPublishReader {
  readonly #packetBytesMax: number;
  readonly #topicLevelsMax: number;
  /** A client mostly publishes to one topic. A repeated topic needs neither decoding nor checking. */
  #topicBytes: Uint8Array = new Uint8Array(0);
  #topic = "";

  constructor(options: { readonly packetBytesMax: number; readonly topicLevelsMax: number }) {
    this.#packetBytesMax = options.packetBytesMax;
    this.#topicLevelsMax = options.topicLevelsMax;
  }

  /** The publish that begins at `at`; undefined if Aedes must read it. */
  read(chunk: Buffer, at: number): DirectPublish | undefined {
    const head = chunk[at] ?? 0;
    const qos = head & QOS;
    if (head >> 4 !== PUBLISH || qos > QOS_1) return undefined;
    let bodyAt = at + 1;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = chunk[bodyAt++];
      if (byte === undefined || shift > 21) return undefined;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    const end = bodyAt + length;
    if (end > chunk.length || length > this.#packetBytesMax) return undefined;
    const topicAt = bodyAt + 2;
    const idAt = topicAt + uint16(chunk, bodyAt);
    const payloadAt = qos === QOS_1 ? idAt + 2 : idAt;
    if (length < 2 || payloadAt > end || !this.#takeTopic(chunk, topicAt, idAt)) return undefined;
    const messageId = qos === QOS_1 ? uint16(chunk, idAt) : 0;
    if (qos === QOS_1 && messageId === 0) return undefined;
    return {
      topic: this.#topic,
      payload: chunk.subarray(payloadAt, end),
      qos: qos === QOS_1 ? 1 : 0,
      retain: (head & RETAIN) !== 0,
      messageId,
      end,
    };
  }

  /** Sets the current topic from the bytes. Returns false if they are not a valid topic. */
  #takeTopic(chunk: Buffer, from: number, to: number): boolean {
    if (this.#isCurrentTopic(chunk, from, to)) return true;
    if (to - from > TOPIC_BYTES_MAX) return false;
    const topic = chunk.toString("utf8", from, to);
    if (topicFault(topic, this.#topicLevelsMax) !== undefined) return false;
    this.#topic = topic;
    this.#topicBytes = Uint8Array.prototype.slice.call(chunk, from, to);
    return true;
  }

  #isCurrentTopic(chunk: Buffer, from: number, to: number): boolean {
    const known = this.#topicBytes;
    if (known.length !== to - from || known.length === 0) return false;
    for (let i = 0; i < known.length; i++) if (known[i] !== chunk[from + i]) return false;
    return true;
  }
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

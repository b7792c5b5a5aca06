/** Why the bytes of a connection make the broker close it. */
export type FramingFault = "packet-too-large" | "packet-id-zero" | "bad-length";

const CONNECT = 1;
export const PUBLISH = 3;
const PUBACK = 4;
const SUBSCRIBE = 8;
const UNSUBSCRIBE = 10;
const UNSUBACK = 11;
const PINGREQ = 12;

export interface PassOptions {
  readonly publishesMax: number;
  readonly maySubscribe: boolean;
  readonly onPing?: (at: number) => void;
}

/**
 * Follows the packets in a stream of MQTT bytes without keeping them: where each begins, its length and its type.
 * This allows reading to stop before a certain packet, and detects a packet that is too large by its length, before
 * it has arrived.
 */
export class PacketFramer {
  readonly #packetBytesMax: number;
  #inHeader = true;
  #type = 0;
  #length = 0;
  #lengthShift = -1;
  #bodyLeft = 0;
  /** Missing bytes of the packet id, for the types that begin with one. */
  #idLeft = 0;
  #id = 0;
  /** Number of complete CONNECT packets so far. */
  connects = 0;
  /** Bytes of all complete SUBSCRIBE and UNSUBSCRIBE packets so far. */
  subscribeBytes = 0;
  fault: FramingFault | undefined;

  constructor(packetBytesMax: number) {
    this.#packetBytesMax = packetBytesMax;
  }

  /** Whether all bytes so far form complete packets. */
  get betweenPackets(): boolean {
    return this.#inHeader && this.#lengthShift < 0;
  }

  /**
   * How many bytes of the chunk may pass so that at most `publishesMax` PUBLISH packets begin in them. Also stops
   * after a CONNECT: the bytes after it wait for the CONNACK; and after a SUBSCRIBE or UNSUBSCRIBE, or before it unless
   * `maySubscribe`. Pass the remaining bytes again later. `onPing` gets the position of each complete PINGREQ that
   * passes.
   */
  pass(chunk: Uint8Array, { publishesMax, maySubscribe, onPing }: PassOptions): number {
    // An incomplete PUBLISH has begun, but is not in flight yet.
    const begun = this.#type === PUBLISH && !this.betweenPackets;
    let publishes = begun ? 1 : 0;
    let at = 0;
    while (at < chunk.length) {
      if (!this.#inHeader) {
        at += this.#passBody(chunk, at);
        if (this.fault !== undefined) return at;
        if (this.#inHeader && this.#endsPass()) return at;
        continue;
      }
      const byte = chunk[at] ?? 0;
      if (this.#lengthShift < 0) {
        const type = byte >> 4;
        if (type === PUBLISH && publishes++ >= publishesMax) return at;
        if (!maySubscribe && isSubscribe(type)) return at;
        this.#type = type;
        this.#lengthShift = 0;
        this.#length = 0;
      } else {
        this.#passLength(byte);
        if (this.fault !== undefined) return at;
        if (this.#type === PINGREQ && this.#inHeader && at > 0) onPing?.(at - 1);
      }
      at++;
    }
    return at;
  }

  /** Whether nothing after the packet that has just ended may pass now. */
  #endsPass(): boolean {
    if (this.#type === CONNECT) this.connects++;
    else if (isSubscribe(this.#type)) this.subscribeBytes += this.#length;
    else return false;
    return true;
  }

  #passLength(byte: number): void {
    this.#length |= (byte & 0x7f) << this.#lengthShift;
    this.#lengthShift += 7;
    if (byte > 0x7f) {
      if (this.#lengthShift >= 28) this.fault = "bad-length";
      return;
    }
    if (this.#length > this.#packetBytesMax) this.fault = "packet-too-large";
    this.#lengthShift = -1;
    this.#bodyLeft = this.#length;
    this.#inHeader = this.#length === 0;
    this.#id = 0;
    this.#idLeft = this.#type >= PUBACK && this.#type <= UNSUBACK ? 2 : 0;
    if (this.#idLeft > this.#length) this.fault ??= "bad-length";
  }

  #passBody(chunk: Uint8Array, from: number): number {
    const passed = Math.min(this.#bodyLeft, chunk.length - from);
    for (let i = 0; this.#idLeft > 0 && i < passed; i++) {
      this.#id = (this.#id << 8) | (chunk[from + i] ?? 0);
      if (--this.#idLeft === 0 && this.#id === 0) this.fault = "packet-id-zero";
    }
    this.#bodyLeft -= passed;
    this.#inHeader = this.#bodyLeft === 0;
    return passed;
  }
}

function isSubscribe(type: number): boolean {
  return type === SUBSCRIBE || type === UNSUBSCRIBE;
}

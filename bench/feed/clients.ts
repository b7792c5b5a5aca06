import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { LatencyHistogram } from "../../test/load/latency-histogram.ts";
import { type FeedLoad, linesOf, nowUs } from "./world.ts";

const END = Buffer.from('"endUs":');
const INSTANT_DIGITS = 16;
const CONNECTING_AT_ONCE = 50;

export interface Received {
  readonly messages: number;
  readonly items: number;
  readonly bytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/**
 * Many clients in one process, on plain sockets: a WebSocket library and JSON parsing would cost more than the server
 * under test.
 */
export class FeedClients {
  #latency = new LatencyHistogram();
  #messages = 0;
  #items = 0;
  #bytes = 0;

  async connect(port: number, load: FeedLoad): Promise<void> {
    for (let first = 0; first < load.clients; first += CONNECTING_AT_ONCE) {
      const last = Math.min(load.clients, first + CONNECTING_AT_ONCE);
      const batch = Array.from({ length: last - first }, (_, i) => this.#open(port, linesOf(first + i, load)));
      await Promise.all(batch);
    }
  }

  reset(): void {
    this.#latency = new LatencyHistogram();
    this.#messages = 0;
    this.#items = 0;
    this.#bytes = 0;
  }

  received(): Received {
    const { p50Ms, p99Ms, maxMs } = this.#latency.summary();
    return { messages: this.#messages, items: this.#items, bytes: this.#bytes, p50Ms, p99Ms, maxMs };
  }

  async #open(port: number, lines: readonly string[]): Promise<void> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.write(
      `GET /feed HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    const rest = await upgraded(socket);
    for (const [i, line] of lines.entries()) {
      const frame = { type: "subscribe", id: String(i), channel: "windows", filter: { line } };
      socket.write(maskedFrame(JSON.stringify(frame)));
    }
    let waiting = this.#take(rest);
    socket.on("data", (chunk) => {
      waiting = this.#take(waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk]));
    });
  }

  /** Counts whole frames and returns the rest. */
  #take(bytes: Buffer): Buffer {
    const atUs = nowUs();
    let offset = 0;
    while (bytes.length - offset >= 2) {
      const short = (bytes[offset + 1] ?? 0) & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length - offset < head) break;
      const length =
        short < 126 ? short : short === 126 ? bytes.readUInt16BE(offset + 2) : bytes.readUInt32BE(offset + 6);
      const end = offset + head + length;
      if (bytes.length < end) break;
      this.#messages++;
      this.#bytes += length;
      this.#measure(bytes.subarray(offset + head, end), atUs);
      offset = end;
    }
    return bytes.subarray(offset);
  }

  #measure(payload: Buffer, atUs: number): void {
    for (let at = payload.indexOf(END); at >= 0; at = payload.indexOf(END, at + INSTANT_DIGITS)) {
      const from = at + END.length;
      this.#items++;
      this.#latency.add(atUs - Number(payload.toString("latin1", from, from + INSTANT_DIGITS)));
    }
  }
}

/** Resolves with the bytes after the handshake. */
function upgraded(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      socket.off("data", onData);
      if (!head.toString("latin1").startsWith("HTTP/1.1 101")) reject(new Error(head.toString("latin1")));
      else resolve(head.subarray(end + 4));
    };
    socket.on("data", onData);
    socket.once("error", reject);
  });
}

/** A short text frame from a client: masked (with zeros), as the protocol requires. */
function maskedFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  if (length > 125) throw new RangeError("longer than a short frame");
  return Buffer.concat([Buffer.from([0x81, 0x80 | length, 0, 0, 0, 0]), Buffer.from(text)]);
}

import { createConnection, type Socket } from "node:net";
import { connectPacket, type ProtocolVersion, type PublishTemplate, patchTimestamp } from "./packets.ts";

const CONNACK = 0x20;
const PUBACK = 0x40;
const PUBREC = 0x50;
const PUBCOMP = 0x70;
const WRITE_AHEAD_BYTES = 256 * 1024;

/** What the clients of one run share: how much is left to send, and where their figures go. */
export interface LoadSink {
  /** Takes one message from what is left to send. */
  take(): boolean;
  sent(messages: number): void;
  acknowledged(latencyUs: number): void;
  nowUs(): number;
}

export interface LoadClientOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  readonly template: PublishTemplate;
  readonly qos: 0 | 1 | 2;
  readonly version: ProtocolVersion;
  readonly inflight: number;
  readonly sink: LoadSink;
}

/**
 * One publisher on a raw socket. Each message in flight has a slot, and each slot its own packet in one buffer. The
 * bytes of a slot are patched only after its acknowledgement, so never while the socket still needs them.
 */
export class LoadClient {
  private readonly options: LoadClientOptions;
  private readonly packets: Buffer;
  private readonly packetBytes: number;
  private readonly sentAtUs: Float64Array;
  private socket: Socket | undefined;
  private rest: Buffer = Buffer.alloc(0);
  private stampUs = 0;
  private connected: (() => void) | undefined;
  private failed: ((error: Error) => void) | undefined;
  /** Slots that wait until the run allows more. */
  private readonly free: number[] = [];
  error: Error | undefined;

  constructor(options: LoadClientOptions) {
    this.options = options;
    this.packetBytes = options.template.bytes.length;
    this.packets = Buffer.alloc(this.packetBytes * options.inflight);
    this.sentAtUs = new Float64Array(options.inflight);
    for (let slot = 0; slot < options.inflight; slot++) {
      const at = slot * this.packetBytes;
      options.template.bytes.copy(this.packets, at);
      if (options.template.idAt >= 0) this.packets.writeUInt16BE(slot + 1, at + options.template.idAt);
    }
  }

  connect(): Promise<void> {
    const { host, port, clientId, username, password, version } = this.options;
    return new Promise((resolve, reject) => {
      this.connected = resolve;
      this.failed = reject;
      const socket = createConnection({
        host,
        port,
        noDelay: true,
        onread: {
          buffer: Buffer.allocUnsafe(16 * 1024),
          callback: (bytes, buffer) => {
            this.received(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
            return true;
          },
        },
      });
      this.socket = socket;
      socket.on("error", (error) => this.fail(error));
      socket.on("close", () => this.fail(new Error(`connection of ${clientId} was closed`)));
      const login = username === undefined ? {} : { username, ...(password === undefined ? {} : { password }) };
      socket.write(connectPacket({ clientId, version, ...login }));
    });
  }

  /** Fills every slot. With QoS 0 only the socket makes it wait. */
  start(): void {
    if (this.options.qos === 0) this.flood();
    else this.send(0, this.options.inflight);
  }

  /** Sends one message from a free slot, when there is one. */
  sendOne(): void {
    const slot = this.free.pop();
    if (slot !== undefined && this.error === undefined) this.send(slot, slot + 1);
  }

  close(): void {
    this.socket?.removeAllListeners("close");
    this.socket?.end(Buffer.from([0xe0, 0x00]));
    this.socket?.destroySoon();
  }

  private fail(error: Error): void {
    this.error ??= error;
    this.failed?.(error);
  }

  /** One batch per turn, so that all clients get theirs; pauses while the socket is full. */
  private flood(): void {
    const socket = this.socket;
    if (socket === undefined || this.error !== undefined) return;
    let count = 0;
    while (count < this.options.inflight && this.options.sink.take()) this.stamp(count++);
    if (count === 0) return;
    // The socket may keep these bytes: without acknowledgements a copy is needed.
    socket.write(Buffer.from(this.packets.subarray(0, count * this.packetBytes)));
    this.options.sink.sent(count);
    if (socket.writableLength < WRITE_AHEAD_BYTES) setImmediate(() => this.flood());
    else socket.once("drain", () => this.flood());
  }

  private stamp(slot: number): void {
    const nowUs = this.options.sink.nowUs();
    this.sentAtUs[slot] = nowUs;
    const { timestampAt } = this.options.template;
    if (timestampAt < 0) return;
    // Each message of a device has its own time; otherwise it would be a duplicate.
    this.stampUs = Math.max(nowUs, this.stampUs + 1);
    patchTimestamp(this.packets, slot * this.packetBytes + timestampAt, this.stampUs);
  }

  /** Sends the slots `[from, to)` in one write. */
  private send(from: number, to: number): void {
    let end = from;
    while (end < to && this.options.sink.take()) this.stamp(end++);
    for (let slot = end; slot < to; slot++) this.free.push(slot);
    if (end === from) return;
    this.options.sink.sent(end - from);
    this.socket?.write(this.packets.subarray(from * this.packetBytes, end * this.packetBytes));
  }

  private received(chunk: Buffer): void {
    const bytes = this.rest.length > 0 ? Buffer.concat([this.rest, chunk]) : chunk;
    let at = 0;
    let from = -1;
    let to = -1;
    for (;;) {
      const length = bytes[at + 1] ?? 0;
      // None that arrives here has a length of two bytes.
      const end = at + 2 + length;
      if (at + 2 > bytes.length || end > bytes.length) break;
      const id = bytes.readUInt16BE(at + 2);
      switch (bytes[at]) {
        case PUBACK:
        case PUBCOMP: {
          const slot = id - 1;
          this.options.sink.acknowledged(this.options.sink.nowUs() - (this.sentAtUs[slot] ?? 0));
          if (slot !== to) {
            if (from >= 0) this.send(from, to);
            from = slot;
          }
          to = slot + 1;
          break;
        }
        case PUBREC:
          this.socket?.write(Buffer.from([0x62, 0x02, id >> 8, id & 0xff]));
          break;
        case CONNACK:
          if (bytes[at + 3] === 0) this.connected?.();
          else this.fail(new Error(`connection refused with return code ${bytes[at + 3]}`));
          break;
        default:
          this.fail(new Error(`unexpected packet 0x${bytes[at]?.toString(16)}`));
          return;
      }
      at = end;
    }
    if (from >= 0) this.send(from, to);
    this.rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : Buffer.alloc(0);
  }
}

import type { InboundMessage } from "../platform/publish-gate.ts";
import type { Link } from "./link.ts";

/** What Aedes parsed from a PUBLISH, or from the will of a CONNECT. */
export interface ParsedPublish {
  readonly topic: string;
  readonly payload: Buffer | string;
  qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly messageId?: number | undefined;
}

/** A message at the gate, and what is to happen when the gate is done with it. */
export class PendingPublish implements InboundMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly clientId: string;
  readonly receivedAtUs: number;
  readonly packet: ParsedPublish;
  /** Undefined for wills: their connection is gone. */
  readonly link: Link | undefined;
  /** Lets Aedes go on with the packet, or close the connection. */
  readonly proceed: (error?: Error | null) => void;
  settled = false;
  error: Error | undefined;
  next: PendingPublish | undefined;

  constructor(options: {
    readonly packet: ParsedPublish;
    readonly clientId: string;
    readonly link: Link | undefined;
    readonly receivedAtUs: number;
    readonly proceed: (error?: Error | null) => void;
  }) {
    const { packet } = options;
    this.topic = packet.topic;
    this.payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    this.qos = packet.qos;
    this.retain = packet.retain;
    this.clientId = options.clientId;
    this.receivedAtUs = options.receivedAtUs;
    this.packet = packet;
    this.link = options.link;
    this.proceed = options.proceed;
  }

  get bytes(): number {
    return this.topic.length + this.payload.length;
  }
}

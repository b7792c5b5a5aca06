import type { InboundMessage } from "../../platform/publish-gate.ts";
import type { Link } from "./link.ts";

/** What was parsed from a PUBLISH, or from the will of a CONNECT. */
export interface ParsedPublish {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly messageId?: number | undefined;
}

/** Lets Aedes go on with a packet, or close the connection. */
export type Proceed = (error?: Error | null) => void;

/** A message at the gate, and what is to happen when the gate is done with it. */
export class PendingPublish implements InboundMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly messageId: number;
  readonly clientId: string;
  readonly receivedAtUs: number;
  /** Undefined for wills: their connection is gone. */
  readonly link: Link | undefined;
  /** Undefined when the message did not come through Aedes: then it is for us to answer and to forward. */
  readonly proceed: Proceed | undefined;
  settled = false;
  error: Error | undefined;
  next: PendingPublish | undefined;

  constructor(
    packet: ParsedPublish,
    options: {
      readonly clientId: string;
      readonly link: Link | undefined;
      readonly receivedAtUs: number;
      readonly proceed: Proceed | undefined;
    },
  ) {
    this.topic = packet.topic;
    this.payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    this.qos = packet.qos;
    this.retain = packet.retain;
    this.messageId = packet.messageId ?? 0;
    this.clientId = options.clientId;
    this.receivedAtUs = options.receivedAtUs;
    this.link = options.link;
    this.proceed = options.proceed;
  }

  get bytes(): number {
    return this.topic.length + this.payload.length;
  }
}

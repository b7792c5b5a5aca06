import type { InboundMessage } from "../../platform/publish-gate.ts";

/** The parsed contents of a PUBLISH, or of the will in a CONNECT. */
export interface ParsedPublish {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly messageId?: number | undefined;
}

/** Lets Aedes continue with a packet, or close the connection. */
export type Proceed = (error?: Error | null) => void;

/** A message at the gate. Its link queues it until all earlier ones are acknowledged. */
export class PendingPublish implements InboundMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly messageId: number;
  readonly clientId: string;
  readonly sender: string;
  readonly receivedAtUs: number;
  /** Undefined if the message bypassed Aedes: then the broker acknowledges and forwards it itself. */
  readonly proceed: Proceed | undefined;
  settled = false;
  error: Error | undefined;
  next: PendingPublish | undefined;

  constructor(
    packet: ParsedPublish,
    options: {
      readonly clientId: string;
      readonly sender: string;
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
    this.sender = options.sender;
    this.receivedAtUs = options.receivedAtUs;
    this.proceed = options.proceed;
  }

  get bytes(): number {
    return this.topic.length + this.payload.length;
  }
}

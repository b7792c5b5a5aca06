import type { InboundMessage, MessageProperties } from "../../platform/publish-gate.ts";
import type { Reason } from "./packets/encode.ts";
import type { Properties } from "./packets/properties.ts";

/** What a PUBLISH says, or a will. */
export interface PublishFields {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** 0 with QoS 0, and in a will. */
  readonly messageId: number;
  readonly properties: MessageProperties | undefined;
  readonly expirySeconds: number | undefined;
}

export interface PublishAnswer {
  readonly reasonCode: number;
  readonly reason: Reason;
}

/** A message at the gate. Its link queues it until all earlier ones are acknowledged. */
export class PendingPublish implements InboundMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly messageId: number;
  readonly clientId: string;
  readonly sender: string;
  /** A repeated QoS 2 message has the time of the first. */
  receivedAtUs: number;
  readonly properties: MessageProperties | undefined;
  readonly expirySeconds: number | undefined;
  /** Of a will: the same when it is published again. */
  readonly origin: string | undefined;
  isAwaited = true;
  /** The gate has finished with it. */
  settled = false;
  /** Its turn to be given to its subscribers has come: the gate has finished with all earlier ones of its client. */
  forwarded = false;
  /** Its subscribers do not get it: it was refused, or repeats another one. */
  isMuted = false;
  /** The sessions of its subscribers do not have it yet. */
  isOnItsWay = false;
  error: Error | undefined;
  /** What MQTT 5 says in its acknowledgement. */
  answer: PublishAnswer | undefined;
  /** Called when it is acknowledged, or would be if its sender had not left. */
  onFinished: ((error: Error | undefined) => void)[] | undefined;
  next: PendingPublish | undefined;

  constructor(
    packet: PublishFields,
    options: Pick<InboundMessage, "clientId" | "receivedAtUs"> & { readonly sender: string; readonly origin?: string },
  ) {
    this.topic = packet.topic;
    this.payload = packet.payload;
    this.qos = packet.qos;
    this.retain = packet.retain;
    this.messageId = packet.messageId;
    this.clientId = options.clientId;
    this.sender = options.sender;
    this.receivedAtUs = options.receivedAtUs;
    this.properties = packet.properties;
    this.expirySeconds = packet.expirySeconds;
    this.origin = options.origin;
  }

  get bytes(): number {
    return this.topic.length + this.payload.length;
  }
}

/** Those that a publisher gives to its subscribers. */
export function messageProperties(properties: Properties): MessageProperties | undefined {
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties } = properties;
  const message = {
    ...(payloadFormatIndicator === undefined ? {} : { payloadFormatIndicator: payloadFormatIndicator === 1 }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlationData === undefined ? {} : { correlationData }),
    ...(userProperties === undefined ? {} : { userProperties }),
  };
  return Object.keys(message).length === 0 ? undefined : message;
}

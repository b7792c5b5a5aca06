import type { Qos, Version } from "./packets.ts";

/** A PUBLISH to a subscriber. The properties are written in MQTT 5 only. */
export interface OutgoingPublish {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** Ignored with QoS 0. */
  readonly packetId: number;
  readonly properties?: OutgoingProperties | undefined;
  /** Seconds that the message may still wait. */
  readonly expirySeconds?: number | undefined;
  readonly identifiers?: readonly number[];
  readonly topicAlias?: number | undefined;
}

interface OutgoingProperties {
  readonly payloadFormatIndicator?: boolean;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  readonly userProperties?: readonly (readonly [name: string, value: string])[];
}

const HEAD = 0x30;
const NONE = Buffer.alloc(0);

/** The packet's bytes. With an empty topic, the alias stands for it. */
export function encodePublish(publish: OutgoingPublish, version: Version): Buffer {
  const { topic, payload, qos, retain, dup, packetId } = publish;
  const properties = version === 5 ? encodeProperties(publish) : NONE;
  const propertiesLength = version === 5 ? varintBytes(properties.length) + properties.length : 0;
  const topicLength = Buffer.byteLength(topic);
  const length = 2 + topicLength + (qos > 0 ? 2 : 0) + propertiesLength + payload.length;
  const bytes = Buffer.allocUnsafe(1 + varintBytes(length) + length);
  bytes[0] = HEAD | (dup ? 0x08 : 0) | (qos << 1) | (retain ? 1 : 0);
  let at = writeVarint(bytes, 1, length);
  at = bytes.writeUInt16BE(topicLength, at);
  at += bytes.write(topic, at);
  if (qos > 0) at = bytes.writeUInt16BE(packetId, at);
  if (version === 5) {
    at = writeVarint(bytes, at, properties.length);
    bytes.set(properties, at);
    at += properties.length;
  }
  bytes.set(payload, at);
  return bytes;
}

function encodeProperties({ properties = {}, expirySeconds, identifiers, topicAlias }: OutgoingPublish): Buffer {
  const parts: Buffer[] = [];
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties } = properties;
  if (payloadFormatIndicator !== undefined) parts.push(Buffer.from([0x01, payloadFormatIndicator ? 1 : 0]));
  if (expirySeconds !== undefined) {
    const part = Buffer.allocUnsafe(5);
    part[0] = 0x02;
    part.writeUInt32BE(expirySeconds, 1);
    parts.push(part);
  }
  if (contentType !== undefined) parts.push(withLength(0x03, Buffer.from(contentType)));
  if (responseTopic !== undefined) parts.push(withLength(0x08, Buffer.from(responseTopic)));
  if (correlationData !== undefined) parts.push(withLength(0x09, correlationData));
  for (const identifier of identifiers ?? []) {
    const part = Buffer.allocUnsafe(1 + varintBytes(identifier));
    part[0] = 0x0b;
    writeVarint(part, 1, identifier);
    parts.push(part);
  }
  if (topicAlias !== undefined) parts.push(Buffer.from([0x23, topicAlias >> 8, topicAlias & 0xff]));
  for (const [name, value] of userProperties ?? []) {
    parts.push(withLength(0x26, Buffer.from(name)), withLength(undefined, Buffer.from(value)));
  }
  return parts.length === 0 ? NONE : Buffer.concat(parts);
}

function withLength(id: number | undefined, field: Uint8Array): Buffer {
  const head = [...(id === undefined ? [] : [id]), field.length >> 8, field.length & 0xff];
  return Buffer.concat([Buffer.from(head), field]);
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x20_0000 ? 3 : 4;
}

function writeVarint(bytes: Buffer, from: number, value: number): number {
  let [at, left] = [from, value];
  for (; left > 0x7f; left >>>= 7) bytes[at++] = (left & 0x7f) | 0x80;
  bytes[at++] = left;
  return at;
}

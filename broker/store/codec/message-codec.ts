import { PbfReader, PbfWriter } from "pbf";
import { writeText } from "../../../domain/proto-text.ts";
import { plainBytes } from "../../../platform/log/plain-bytes.ts";
import type { Message, MessageProperties, Qos } from "../port.ts";

type Draft<T> = { -readonly [Key in keyof T]: T[Key] };

/** The bytes of a `weir.v1.MqttMessage`. */
export function encodeMessage(message: Message): Uint8Array {
  // From Node's pool: an array buffer for each message keeps the garbage collector busy.
  const out = new PbfWriter(plainBytes(Buffer.allocUnsafe(128 + message.topic.length + message.payload.length)));
  writeMessage(message, out);
  return out.finish();
}

export function decodeMessage(bytes: Uint8Array): Message {
  const pbf = new PbfReader(bytes);
  return readFields((read, into) => pbf.readFields(read, into));
}

/** A `weir.v1.MqttMessage` (`domain/proto/weir/v1/mqtt_store.proto`). */
export function writeMessage(message: Message, out: PbfWriter): void {
  const { expiresAtUs, origin, properties } = message;
  writeText(out, 1, message.topic);
  out.writeBytesField(2, message.payload);
  if (message.qos !== 0) out.writeVarintField(3, message.qos);
  if (message.retain) out.writeBooleanField(4, true);
  writeText(out, 5, message.publisher);
  out.writeVarintField(6, message.receivedAtUs);
  if (expiresAtUs !== undefined) out.writeVarintField(7, expiresAtUs);
  if (origin !== undefined) writeText(out, 8, origin);
  if (properties !== undefined) writeProperties(properties, out);
}

function writeProperties(properties: MessageProperties, out: PbfWriter): void {
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties } = properties;
  out.writeBooleanField(9, true);
  if (payloadFormatIndicator !== undefined) out.writeBooleanField(10, payloadFormatIndicator);
  if (contentType !== undefined) writeText(out, 11, contentType);
  if (responseTopic !== undefined) writeText(out, 12, responseTopic);
  if (correlationData !== undefined) out.writeBytesField(13, correlationData);
  for (const pair of userProperties ?? []) out.writeMessage(14, writePair, pair);
}

function writePair([name, value]: readonly [string, string], out: PbfWriter): void {
  writeText(out, 1, name);
  writeText(out, 2, value);
}

/** A message that is a field of another. */
export function readMessage(pbf: PbfReader): Message {
  return readFields((read, into) => pbf.readMessage(read, into));
}

type ReadField = (field: number, into: Draft<Message>, pbf: PbfReader) => void;

function readFields(readAll: (read: ReadField, into: Draft<Message>) => void): Message {
  const message: Draft<Message> = {
    topic: "",
    payload: new Uint8Array(),
    qos: 0,
    retain: false,
    publisher: "",
    receivedAtUs: 0,
  };
  const properties: Draft<MessageProperties> = {};
  const pairs: (readonly [string, string])[] = [];
  readAll((field, into, inner) => {
    if (field === 1) into.topic = inner.readString();
    // A copy: a view would keep the whole frame in memory.
    else if (field === 2) into.payload = inner.readBytes().slice();
    else if (field === 3) into.qos = qosOf(inner.readVarint());
    else if (field === 4) into.retain = inner.readBoolean();
    else if (field === 5) into.publisher = inner.readString();
    else if (field === 6) into.receivedAtUs = inner.readVarint(true);
    else if (field === 7) into.expiresAtUs = inner.readVarint(true);
    else if (field === 8) into.origin = inner.readString();
    else if (field === 9) into.properties = properties;
    else if (field === 10) properties.payloadFormatIndicator = inner.readBoolean();
    else if (field === 11) properties.contentType = inner.readString();
    else if (field === 12) properties.responseTopic = inner.readString();
    else if (field === 13) properties.correlationData = inner.readBytes().slice();
    else if (field === 14) pairs.push(readPair(inner));
  }, message);
  if (pairs.length > 0) properties.userProperties = pairs;
  return message;
}

function readPair(pbf: PbfReader): readonly [string, string] {
  const pair: [string, string] = ["", ""];
  return pbf.readMessage((field, into, inner) => {
    if (field === 1) into[0] = inner.readString();
    else if (field === 2) into[1] = inner.readString();
  }, pair);
}

export function qosOf(value: number): Qos {
  return value === 2 ? 2 : value === 1 ? 1 : 0;
}

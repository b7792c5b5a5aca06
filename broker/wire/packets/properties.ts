import type { ByteReader } from "./bytes.ts";
import { malformed, protocolError } from "./bytes.ts";

/** The properties of MQTT 5, section 2.2.2.2, that a client may send. Absent ones are undefined. */
export interface Properties {
  payloadFormatIndicator?: number;
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Buffer;
  subscriptionIdentifier?: number;
  sessionExpiryInterval?: number;
  authenticationMethod?: string;
  authenticationData?: Buffer;
  requestProblemInformation?: number;
  willDelayInterval?: number;
  requestResponseInformation?: number;
  reasonString?: string;
  receiveMaximum?: number;
  topicAliasMaximum?: number;
  topicAlias?: number;
  maximumPacketSize?: number;
  /** In the order of the packet; a name may occur several times. */
  userProperties?: (readonly [name: string, value: string])[];
}

/** Parts of packets that have properties. */
export type PropertiesOf = "connect" | "will" | "publish" | "ack" | "subscribe" | "unsubscribe" | "disconnect" | "auth";

interface Kind {
  readonly name: keyof Properties;
  readonly in: readonly PropertiesOf[];
  readonly read: (reader: ByteReader, into: Properties) => void;
}

type Named<Value> = { [Name in keyof Properties]-?: Value extends Properties[Name] ? Name : never }[keyof Properties];

function numberKind(
  name: Named<number>,
  of: readonly PropertiesOf[],
  read: (reader: ByteReader) => number,
  { min = 0, max = Number.POSITIVE_INFINITY }: { readonly min?: number; readonly max?: number } = {},
): Kind {
  return {
    name,
    in: of,
    read(reader, into) {
      const value = read(reader);
      if (value < min || value > max) throw protocolError(`the property ${name} is ${value}`);
      into[name] = value;
    },
  };
}

function textKind(name: Named<string>, of: readonly PropertiesOf[]): Kind {
  return {
    name,
    in: of,
    read(reader, into) {
      into[name] = reader.string();
    },
  };
}

function bytesKind(name: Named<Buffer>, of: readonly PropertiesOf[]): Kind {
  return {
    name,
    in: of,
    read(reader, into) {
      into[name] = reader.binary();
    },
  };
}

const uint8 = (reader: ByteReader) => reader.uint8();
const uint16 = (reader: ByteReader) => reader.uint16();
const uint32 = (reader: ByteReader) => reader.uint32();
const MESSAGE: readonly PropertiesOf[] = ["publish", "will"];

const KINDS: ReadonlyMap<number, Kind> = new Map<number, Kind>([
  [0x01, numberKind("payloadFormatIndicator", MESSAGE, uint8, { max: 1 })],
  [0x02, numberKind("messageExpiryInterval", MESSAGE, uint32)],
  [0x03, textKind("contentType", MESSAGE)],
  [0x08, textKind("responseTopic", MESSAGE)],
  [0x09, bytesKind("correlationData", MESSAGE)],
  [0x0b, numberKind("subscriptionIdentifier", ["subscribe"], (reader) => reader.varint(), { min: 1 })],
  [0x11, numberKind("sessionExpiryInterval", ["connect", "disconnect"], uint32)],
  [0x15, textKind("authenticationMethod", ["connect", "auth"])],
  [0x16, bytesKind("authenticationData", ["connect", "auth"])],
  [0x17, numberKind("requestProblemInformation", ["connect"], uint8, { max: 1 })],
  [0x18, numberKind("willDelayInterval", ["will"], uint32)],
  [0x19, numberKind("requestResponseInformation", ["connect"], uint8, { max: 1 })],
  [0x1f, textKind("reasonString", ["ack", "disconnect", "auth"])],
  [0x21, numberKind("receiveMaximum", ["connect"], uint16, { min: 1 })],
  [0x22, numberKind("topicAliasMaximum", ["connect"], uint16)],
  [0x23, numberKind("topicAlias", ["publish"], uint16)],
  [
    0x26,
    {
      name: "userProperties",
      in: ["connect", "will", "publish", "ack", "subscribe", "unsubscribe", "disconnect", "auth"],
      read(reader, into) {
        into.userProperties ??= [];
        into.userProperties.push([reader.string(), reader.string()]);
      },
    },
  ],
  [0x27, numberKind("maximumPacketSize", ["connect"], uint32, { min: 1 })],
]);

export const NO_PROPERTIES: Properties = Object.freeze({});

/** @throws PacketError if one is unknown, does not belong into the packet, has an invalid value, or occurs twice */
export function readProperties(packet: ByteReader, of: PropertiesOf): Properties {
  const length = packet.varint();
  if (length === 0) return NO_PROPERTIES;
  const reader = packet.part(length);
  const properties: Properties = {};
  while (reader.left > 0) {
    const id = reader.varint();
    const kind = KINDS.get(id);
    if (kind === undefined) throw malformed(`a ${of} packet has the unknown property ${id}`);
    if (!kind.in.includes(of)) throw protocolError(`a ${of} packet has the property ${kind.name}`);
    if (kind.name !== "userProperties" && properties[kind.name] !== undefined) {
      throw protocolError(`a ${of} packet has the property ${kind.name} twice`);
    }
    kind.read(reader, properties);
  }
  return properties;
}

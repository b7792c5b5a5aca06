import { ByteReader, malformed, PacketError, protocolError } from "./bytes.ts";
import {
  type AckPacket,
  type ClientPacket,
  type ConnectPacket,
  type Qos,
  type RequestedFilter,
  TYPE,
  type Version,
  type WillFields,
} from "./packets.ts";
import { NO_PROPERTIES, readProperties } from "./properties.ts";
import { REASON } from "./reason-codes.ts";

/** The CONNECT asks for a protocol that Weir does not speak. */
export class UnsupportedVersionError extends PacketError {
  readonly level: number;
  readonly clientId: string;

  constructor(level: number, clientId: string) {
    super(REASON.unsupportedVersion, `protocol level ${level}`, "mqtt-version");
    this.level = level;
    this.clientId = clientId;
  }
}

const BRIDGE_BIT = 0x80;
const DUP = 0x08;

/**
 * Reads a packet of a client, other than PUBLISH.
 * @param bytes from `bodyAt` to `end` they hold the packet without its fixed header
 * @throws PacketError if it is malformed, or if a client may not send it
 */
export function decodePacket(
  head: number,
  bytes: Buffer,
  { bodyAt, end, version }: { readonly bodyAt: number; readonly end: number; readonly version: Version },
): ClientPacket {
  const type = head >> 4;
  const flags = head & 0x0f;
  const isSure = type === TYPE.pubrel || type === TYPE.subscribe || type === TYPE.unsubscribe;
  // In MQTT 3.1 these packets are repeated, with DUP.
  const needed = isSure ? 2 | (version === 3 ? flags & DUP : 0) : 0;
  if (flags !== needed) throw malformed(`a packet of type ${type} has the flags ${flags}`);
  const reader = new ByteReader(bytes, bodyAt, end);
  switch (type) {
    case TYPE.connect:
      return decodeConnect(reader);
    case TYPE.puback:
      return decodeAck("puback", reader, version);
    case TYPE.pubrec:
      return decodeAck("pubrec", reader, version);
    case TYPE.pubrel:
      return decodeAck("pubrel", reader, version);
    case TYPE.pubcomp:
      return decodeAck("pubcomp", reader, version);
    case TYPE.subscribe:
      return decodeSubscribe(reader, version);
    case TYPE.unsubscribe:
      return decodeUnsubscribe(reader, version);
    case TYPE.pingreq:
      reader.expectEnd();
      return { type: "pingreq" };
    case TYPE.disconnect:
      return decodeDisconnect(reader, version);
    case TYPE.auth:
      if (version !== 5) throw protocolError("AUTH is of MQTT 5 only");
      return { type: "auth" };
    default:
      throw protocolError(`a client sent a packet of type ${type}`);
  }
}

function decodeConnect(reader: ByteReader): ConnectPacket {
  const name = reader.string();
  if (name !== "MQTT" && name !== "MQIsdp") throw malformed("the protocol is not MQTT");
  const level = reader.uint8();
  const isBridge = level >= BRIDGE_BIT;
  const version = versionOf(name, level & ~BRIDGE_BIT);
  if (version === undefined || (isBridge && version === 5)) throw new UnsupportedVersionError(level, idOf(reader));
  const flags = reader.uint8();
  const has = (flag: number) => (flags & flag) !== 0;
  if (has(0x01)) throw malformed("the reserved flag of CONNECT is set");
  if (!has(0x04) && (flags & 0x38) !== 0) throw malformed("CONNECT has flags of a will, but no will");
  if (version !== 5 && has(0x40) && !has(0x80)) throw malformed("CONNECT has a password without a user name");
  const keepaliveSeconds = reader.uint16();
  const properties = version === 5 ? readProperties(reader, "connect") : NO_PROPERTIES;
  if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined) {
    throw protocolError("CONNECT has authentication data without a method");
  }
  const clientId = reader.string();
  const will = has(0x04) ? decodeWill(reader, version, flags) : undefined;
  const username = has(0x80) ? reader.string() : undefined;
  const password = has(0x40) ? reader.binary() : undefined;
  reader.expectEnd();
  return {
    type: "connect",
    version,
    isBridge,
    clean: has(0x02),
    keepaliveSeconds,
    clientId,
    username,
    password,
    will,
    properties,
  };
}

function versionOf(name: string, level: number): Version | undefined {
  if (name === "MQIsdp") return level === 3 ? 3 : undefined;
  return level === 4 || level === 5 ? level : undefined;
}

/** The client id of a CONNECT of another version, for the log: what follows may be anything. */
function idOf(reader: ByteReader): string {
  try {
    reader.take(3);
    return reader.string();
  } catch {
    return "";
  }
}

function decodeWill(reader: ByteReader, version: Version, flags: number): WillFields {
  const properties = version === 5 ? readProperties(reader, "will") : NO_PROPERTIES;
  const topic = reader.string();
  const payload = reader.binary();
  return { topic, payload, qos: (flags & 0x18) >> 3, retain: (flags & 0x20) !== 0, properties };
}

function decodeAck(type: AckPacket["type"], reader: ByteReader, version: Version): AckPacket {
  const packetId = reader.packetId();
  let reasonCode = 0;
  if (version === 5 && reader.left > 0) {
    reasonCode = reader.uint8();
    if (!ACK_CODES[type].has(reasonCode)) throw protocolError(`a ${type} has the reason code ${reasonCode}`);
    if (reader.left > 0) readProperties(reader, "ack");
  }
  reader.expectEnd();
  return { type, packetId, reasonCode };
}

const PUBLISH_ACKS: ReadonlySet<number> = new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
const RELEASE_ACKS: ReadonlySet<number> = new Set([0x00, 0x92]);
const ACK_CODES: Readonly<Record<AckPacket["type"], ReadonlySet<number>>> = {
  puback: PUBLISH_ACKS,
  pubrec: PUBLISH_ACKS,
  pubrel: RELEASE_ACKS,
  pubcomp: RELEASE_ACKS,
};

function decodeSubscribe(reader: ByteReader, version: Version): ClientPacket {
  const packetId = reader.packetId();
  const properties = version === 5 ? readProperties(reader, "subscribe") : NO_PROPERTIES;
  const filters: RequestedFilter[] = [];
  while (reader.left > 0) filters.push(decodeFilter(reader, version));
  if (filters.length === 0) throw protocolError("SUBSCRIBE has no filter");
  return { type: "subscribe", packetId, filters, identifier: properties.subscriptionIdentifier };
}

function decodeFilter(reader: ByteReader, version: Version): RequestedFilter {
  const filter = reader.string();
  const options = reader.uint8();
  const qos = options & 0x03;
  const retainHandling = (options & 0x30) >> 4;
  const reserved = version === 5 ? 0xc0 : 0xfc;
  if ((options & reserved) !== 0) throw malformed("reserved bits of a subscription are set");
  if (!isUpToTwo(qos)) throw malformed("a subscription asks for QoS 3");
  if (!isUpToTwo(retainHandling)) throw protocolError("a subscription has the retain handling 3");
  const noLocal = (options & 0x04) !== 0;
  if (noLocal && filter.startsWith("$share/")) throw protocolError("a shared subscription has No Local");
  return { filter, qos, noLocal, retainAsPublished: (options & 0x08) !== 0, retainHandling };
}

function isUpToTwo(value: number): value is Qos {
  return value <= 2;
}

function decodeUnsubscribe(reader: ByteReader, version: Version): ClientPacket {
  const packetId = reader.packetId();
  if (version === 5) readProperties(reader, "unsubscribe");
  const filters: string[] = [];
  while (reader.left > 0) filters.push(reader.string());
  if (filters.length === 0) throw protocolError("UNSUBSCRIBE has no filter");
  return { type: "unsubscribe", packetId, filters };
}

/** Of the codes that a client may send: MQTT 5, table 3-10. */
const DISCONNECT_CODES: ReadonlySet<number> = new Set([
  ...[0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99],
]);

function decodeDisconnect(reader: ByteReader, version: Version): ClientPacket {
  let reasonCode = 0;
  let properties = NO_PROPERTIES;
  if (version === 5 && reader.left > 0) {
    reasonCode = reader.uint8();
    if (!DISCONNECT_CODES.has(reasonCode)) throw protocolError(`DISCONNECT has the reason code ${reasonCode}`);
    if (reader.left > 0) properties = readProperties(reader, "disconnect");
  }
  reader.expectEnd();
  return { type: "disconnect", reasonCode, sessionExpiryInterval: properties.sessionExpiryInterval };
}

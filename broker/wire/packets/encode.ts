import { generate, type IConnackPacket, type Packet } from "mqtt-packet";
import type { AckPacket, Version } from "./packets.ts";

/** What each packet to one client depends on, from its CONNECT. */
export interface Dialect {
  readonly version: Version;
  /** Of the client. */
  readonly packetBytesMax: number;
  /** Whether it wants reason strings and user properties in acknowledgements. */
  readonly wantsReasons: boolean;
}

/** Says more about a reason code, to people. */
export interface Reason {
  readonly text?: string | undefined;
  readonly userProperties?: Readonly<Record<string, string>> | undefined;
}

const ACK_HEADS = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

/** An acknowledgement; without a reason code other than 0, it has the same bytes in all versions. */
export function encodeAck(
  type: AckPacket["type"],
  packetId: number,
  dialect: Dialect,
  reasonCode = 0,
  reason: Reason = {},
): Buffer {
  if (dialect.version !== 5 || (reasonCode === 0 && !isTold(reason, dialect))) {
    return Buffer.from([ACK_HEADS[type], 2, packetId >> 8, packetId & 0xff]);
  }
  return withReason({ cmd: type, messageId: packetId, reasonCode }, dialect, reason);
}

export interface Connack extends Pick<IConnackPacket, "returnCode" | "reasonCode" | "sessionPresent"> {
  readonly properties?: IConnackPacket["properties"] | undefined;
}

export function encodeConnack(packet: Connack, dialect: Dialect, reason: Reason = {}): Buffer {
  const { properties = {}, ...rest } = packet;
  if (dialect.version !== 5) return bytesOf({ cmd: "connack", ...rest }, dialect);
  const full = { cmd: "connack" as const, ...rest, properties: { ...properties, ...told(reason, dialect) } };
  const bytes = bytesOf(full, dialect);
  return bytes.length <= dialect.packetBytesMax ? bytes : bytesOf({ cmd: "connack", ...rest, properties }, dialect);
}

/** DISCONNECT of the server: MQTT 5 only. */
export function encodeDisconnect(reasonCode: number, dialect: Dialect, reason: Reason = {}): Buffer {
  return withReason({ cmd: "disconnect", reasonCode }, dialect, reason);
}

export function encodeSuback(packetId: number, codes: readonly number[], dialect: Dialect): Buffer {
  return bytesOf({ cmd: "suback", messageId: packetId, granted: [...codes] }, dialect);
}

export function encodeUnsuback(packetId: number, codes: readonly number[], dialect: Dialect): Buffer {
  return bytesOf({ cmd: "unsuback", messageId: packetId, granted: [...codes] }, dialect);
}

type Reasoned = Extract<Packet, { cmd: AckPacket["type"] | "disconnect" }>;

/** The reason's texts are left out where the client does not want them, or takes no packet so large. */
function withReason(packet: Reasoned, dialect: Dialect, reason: Reason): Buffer {
  const bare = bytesOf(packet, dialect);
  if (!isTold(reason, dialect)) return bare;
  const bytes = bytesOf({ ...packet, properties: told(reason, dialect) }, dialect);
  return bytes.length <= dialect.packetBytesMax ? bytes : bare;
}

function isTold({ text, userProperties }: Reason, { wantsReasons }: Dialect): boolean {
  return wantsReasons && (text !== undefined || userProperties !== undefined);
}

function told({ text, userProperties }: Reason, { wantsReasons }: Dialect) {
  if (!wantsReasons) return {};
  return {
    ...(text === undefined ? {} : { reasonString: text }),
    ...(userProperties === undefined ? {} : { userProperties: { ...userProperties } }),
  };
}

function bytesOf(packet: Packet, { version }: Dialect): Buffer {
  return generate(packet, { protocolVersion: version });
}

import { type Part, prefixed, u16, u32, varint } from "./bytes.ts";

/** The properties of MQTT 5: their numbers, types, and the packets of a server that may have them. */

export interface Properties {
  readonly payloadFormat?: number;
  readonly messageExpiry?: number;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  /** In a SUBSCRIBE one, in a PUBLISH of a server any number. */
  readonly subscriptionIds?: readonly number[];
  readonly sessionExpiry?: number;
  readonly assignedClientId?: string;
  readonly serverKeepAlive?: number;
  readonly authMethod?: string;
  readonly authData?: Uint8Array;
  readonly requestProblem?: number;
  readonly willDelay?: number;
  readonly requestResponse?: number;
  readonly responseInformation?: string;
  readonly serverReference?: string;
  readonly reason?: string;
  readonly receiveMaximum?: number;
  readonly topicAliasMaximum?: number;
  readonly topicAlias?: number;
  readonly maximumQos?: number;
  readonly retainAvailable?: number;
  readonly user?: readonly (readonly [string, string])[];
  readonly maximumPacketSize?: number;
  readonly wildcardAvailable?: number;
  readonly subscriptionIdsAvailable?: number;
  readonly sharedAvailable?: number;
}

type Type = "byte" | "u16" | "u32" | "varint" | "text" | "bytes" | "pair";

export const PROPERTIES: Readonly<Record<keyof Properties, readonly [number, Type]>> = {
  payloadFormat: [0x01, "byte"],
  messageExpiry: [0x02, "u32"],
  contentType: [0x03, "text"],
  responseTopic: [0x08, "text"],
  correlationData: [0x09, "bytes"],
  subscriptionIds: [0x0b, "varint"],
  sessionExpiry: [0x11, "u32"],
  assignedClientId: [0x12, "text"],
  serverKeepAlive: [0x13, "u16"],
  authMethod: [0x15, "text"],
  authData: [0x16, "bytes"],
  requestProblem: [0x17, "byte"],
  willDelay: [0x18, "u32"],
  requestResponse: [0x19, "byte"],
  responseInformation: [0x1a, "text"],
  serverReference: [0x1c, "text"],
  reason: [0x1f, "text"],
  receiveMaximum: [0x21, "u16"],
  topicAliasMaximum: [0x22, "u16"],
  topicAlias: [0x23, "u16"],
  maximumQos: [0x24, "byte"],
  retainAvailable: [0x25, "byte"],
  user: [0x26, "pair"],
  maximumPacketSize: [0x27, "u32"],
  wildcardAvailable: [0x28, "byte"],
  subscriptionIdsAvailable: [0x29, "byte"],
  sharedAvailable: [0x2a, "byte"],
};

type Name = keyof Properties;

const ACKNOWLEDGEMENT: readonly Name[] = ["reason", "user"];

/** What a server may send in each kind of packet (MQTT 5, table 2-4). */
export const OF_SERVER: Readonly<Record<string, readonly Name[]>> = {
  connack: [
    ...(["sessionExpiry", "receiveMaximum", "maximumQos", "retainAvailable", "maximumPacketSize"] as const),
    ...(["assignedClientId", "topicAliasMaximum", "reason", "user", "wildcardAvailable"] as const),
    ...(["subscriptionIdsAvailable", "sharedAvailable", "serverKeepAlive", "responseInformation"] as const),
    ...(["serverReference", "authMethod", "authData"] as const),
  ],
  publish: [
    ...(["payloadFormat", "messageExpiry", "topicAlias", "responseTopic", "correlationData", "user"] as const),
    ...(["subscriptionIds", "contentType"] as const),
  ],
  puback: ACKNOWLEDGEMENT,
  pubrec: ACKNOWLEDGEMENT,
  pubrel: ACKNOWLEDGEMENT,
  pubcomp: ACKNOWLEDGEMENT,
  suback: ACKNOWLEDGEMENT,
  unsuback: ACKNOWLEDGEMENT,
  // No session expiry: only a client sends it.
  disconnect: ["reason", "user", "serverReference"],
  auth: ["authMethod", "authData", "reason", "user"],
};

/** One property, even if its packet may not have it. */
export function property(name: Name, value: unknown): Part {
  const [id, type] = PROPERTIES[name];
  return Buffer.concat([Buffer.from([id]), Buffer.from(encoded(type, value))]);
}

function encoded(type: Type, value: unknown): Part {
  if (typeof value === "string") return prefixed(value);
  if (value instanceof Uint8Array) return prefixed(value);
  if (typeof value === "number") {
    return { byte: [value], u16: u16(value), u32: u32(value), varint: varint(value), text: [], bytes: [], pair: [] }[
      type
    ];
  }
  if (!Array.isArray(value)) throw new TypeError("no value of a property");
  return Buffer.concat(value.map((text) => prefixed(String(text))));
}

/** All properties with their length before them. */
export function properties(all: Properties = {}, ...more: readonly Part[]): Uint8Array {
  const parts: Part[] = [];
  for (const name of NAMES) {
    const value = all[name];
    if (value === undefined) continue;
    if (name === "user" || name === "subscriptionIds") {
      for (const each of all[name] ?? []) parts.push(property(name, each));
    } else parts.push(property(name, value));
  }
  const body = Buffer.concat([...parts, ...more].map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from(varint(body.length)), body]);
}

const NAMES = Object.keys(PROPERTIES).filter((key): key is Name => key in PROPERTIES);

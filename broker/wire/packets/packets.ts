import type { Properties } from "./properties.ts";

/** Protocol levels: 3 is MQTT 3.1, 4 is MQTT 3.1.1. */
export type Version = 3 | 4 | 5;
export type Qos = 0 | 1 | 2;

export interface ConnectPacket {
  readonly type: "connect";
  readonly version: Version;
  /** The client is another broker's bridge (mosquitto sets a bit in the protocol level). */
  readonly isBridge: boolean;
  readonly clean: boolean;
  readonly keepaliveSeconds: number;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: Buffer | undefined;
  readonly will: WillFields | undefined;
  readonly properties: Properties;
}

export interface WillFields {
  readonly topic: string;
  readonly payload: Buffer;
  /** 3 is possible: the sender's mistake. */
  readonly qos: number;
  readonly retain: boolean;
  readonly properties: Properties;
}

export interface AckPacket {
  readonly type: "puback" | "pubrec" | "pubrel" | "pubcomp";
  readonly packetId: number;
  readonly reasonCode: number;
}

export interface RequestedFilter {
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
}

export interface SubscribePacket {
  readonly type: "subscribe";
  readonly packetId: number;
  readonly filters: readonly RequestedFilter[];
  readonly identifier: number | undefined;
}

export interface UnsubscribePacket {
  readonly type: "unsubscribe";
  readonly packetId: number;
  readonly filters: readonly string[];
}

export interface DisconnectPacket {
  readonly type: "disconnect";
  readonly reasonCode: number;
  readonly sessionExpiryInterval: number | undefined;
}

/** All but PUBLISH, which `publish-reader.ts` reads. */
export type ClientPacket =
  | ConnectPacket
  | AckPacket
  | SubscribePacket
  | UnsubscribePacket
  | DisconnectPacket
  | { readonly type: "pingreq" }
  | { readonly type: "auth" };

/** Packet types: MQTT 5, table 2-1. */
export const TYPE = {
  connect: 1,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  unsubscribe: 10,
  pingreq: 12,
  disconnect: 14,
  auth: 15,
} as const;

import type { IConnackPacket } from "mqtt-packet";
import { US_PER_SECOND } from "../../domain/time.ts";
import type { Permission } from "../auth/topic-permission.ts";
import type { BrokerConfig } from "../common/config.ts";
import { NEVER_EXPIRES, type StoredWill } from "../store/port.ts";
import type { ConnectPacket, WillFields } from "../wire/packets/packets.ts";
import { messageProperties } from "../wire/pending-publish.ts";

type Limits = BrokerConfig["limits"];

/** The most topic aliases that a client may use. */
export const TOPIC_ALIAS_MAX = 16;

/** One and a half times the keep-alive [MQTT-3.1.2-22]. */
const SILENCE_FACTOR_MS = 1_500;

/** The keep-alive of a client, and whether the broker has shortened it. */
export function keepaliveOf({ keepaliveSeconds }: ConnectPacket, { keepalive_max }: Limits) {
  const max = Math.min(keepalive_max / US_PER_SECOND, 0xffff);
  const seconds = max > 0 ? Math.min(keepaliveSeconds || max, max) : keepaliveSeconds;
  return { seconds, isShortened: seconds !== keepaliveSeconds, silenceMsMax: seconds * SILENCE_FACTOR_MS };
}

/** How long the session outlives the connection. Before MQTT 5, clients cannot say it. */
export function expirySecondsOf({ version, clean, properties }: ConnectPacket, limits: Limits): number {
  if (version !== 5) return clean ? 0 : expiryMax(limits);
  return Math.min(properties.sessionExpiryInterval ?? 0, expiryMax(limits));
}

export function expiryMax({ session_expiry }: Limits): number {
  return Math.min(Math.ceil(session_expiry / US_PER_SECOND), NEVER_EXPIRES);
}

export interface ConnackFacts {
  readonly limits: Limits;
  readonly permission: Permission;
  readonly clientId: string;
  readonly hasNewId: boolean;
  readonly expirySeconds: number;
}

/** What CONNACK says to a client of MQTT 5. */
export function connackProperties(
  packet: ConnectPacket,
  { limits, permission, clientId, hasNewId, expirySeconds }: ConnackFacts,
): IConnackPacket["properties"] {
  const { sessionExpiryInterval: asked = 0, requestResponseInformation } = packet.properties;
  const { seconds, isShortened } = keepaliveOf(packet, limits);
  const responses = `responses/${clientId}`;
  const mayRespond = permission.maySubscribe(`${responses}/#`) && !/[+#/]/.test(clientId);
  return {
    ...(asked === expirySeconds ? {} : { sessionExpiryInterval: expirySeconds }),
    receiveMaximum: Math.min(limits.inflight_per_client_max, 0xffff),
    maximumPacketSize: limits.packet_size_max,
    topicAliasMaximum: TOPIC_ALIAS_MAX,
    ...(hasNewId ? { assignedClientIdentifier: clientId } : {}),
    ...(isShortened ? { serverKeepAlive: seconds } : {}),
    ...(requestResponseInformation === 1 && mayRespond ? { responseInformation: responses } : {}),
  };
}

/** A will, received with its CONNECT. Its expiry counts from when it is published. */
export function storedWill(
  { topic, payload, qos, retain, properties }: WillFields,
  { publisher, receivedAtUs }: { readonly publisher: string; readonly receivedAtUs: number },
): StoredWill {
  const { messageExpiryInterval, willDelayInterval = 0 } = properties;
  const own = messageProperties(properties);
  return {
    delaySeconds: willDelayInterval,
    message: {
      topic,
      payload: new Uint8Array(payload),
      qos: qos === 2 ? 2 : qos === 1 ? 1 : 0,
      retain,
      publisher,
      receivedAtUs,
      ...(own === undefined ? {} : { properties: own }),
      ...(messageExpiryInterval === undefined
        ? {}
        : { expiresAtUs: receivedAtUs + messageExpiryInterval * US_PER_SECOND }),
    },
  };
}

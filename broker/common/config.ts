import { z } from "zod";

const KIB = 1024;
const MIB = 1024 * KIB;

function count(fallback: number, description: string) {
  return z.int().min(1).default(fallback).describe(description);
}

const brokerLimitsSchema = z.strictObject({
  clientsMax: count(10_000, "Connected clients. One more is refused with return code 3 (server unavailable)."),
  packetBytesMax: count(256 * KIB, "Bytes of one MQTT packet. A larger one closes its connection."),
  inflightPerClientMax: count(256, "Messages of one client between arrival and acknowledgement. More are not read."),
  inflightMax: count(50_000, "Messages of all clients between arrival and acknowledgement. More are not read."),
  inflightBytesMax: count(64 * MIB, "Bytes of all messages between arrival and acknowledgement. More are not read."),
  topicLevelsMax: z
    .int()
    .min(1)
    .max(100)
    .default(32)
    .describe("Levels of a topic or filter. More close the connection."),
  clientIdBytesMax: count(256, "Bytes of a client id. A longer one is refused with return code 2."),
  keepaliveSecondsMax: z
    .int()
    .min(0)
    .max(65_535)
    .default(0)
    .describe(
      "A client may be silent for one and a half times this, whatever keep-alive it asked for; 0: as it asked.",
    ),
  connectTimeoutMs: count(10_000, "A connection without a CONNECT packet is closed after this time."),
  drainTimeoutMs: count(5_000, "A client that reads nothing of what was sent to it is closed after this time."),
  subscriberBacklogBytesMax: count(
    1 * MIB,
    "Bytes that wait for one slow subscriber. Beyond, QoS 0 messages to it are dropped until it has caught up.",
  ),
  subscriberBacklogBytesClose: count(
    8 * MIB,
    "Bytes that wait for one slow subscriber with QoS 1 or 2. Beyond, its connection is closed.",
  ),
  subscriptionsPerClientMax: count(1_000, "Topic filters of one client. One more is refused (SUBACK 0x80)."),
  sessionsMax: count(20_000, "Persistent sessions. One more takes the place of the one that was away for longest."),
  sessionExpirySeconds: count(86_400, "A persistent session is forgotten when its client stayed away for this time."),
  queuedPerSessionMax: count(1_000, "Messages kept for one persistent session. More are dropped."),
  queuedBytesMax: count(64 * MIB, "Bytes of messages kept for all persistent sessions. More are dropped."),
  qos2PerClientMax: count(1_000, "QoS 2 messages of one client that it has not released. More close its connection."),
  retainedMax: count(10_000, "Topics with a retained message. More are forwarded but not retained."),
  retainedBytesMax: count(64 * MIB, "Bytes of retained messages. More are forwarded but not retained."),
  passwordChecksMax: z.int().min(1).max(4).default(2).describe("Password hashes computed at the same time."),
  passwordQueueMax: count(10_000, "Clients that wait for a password check. One more is refused with return code 3."),
  loginFailuresPerMinuteMax: count(
    20,
    "Failed logins from one address in a minute. Further ones are refused unchecked; verified clients are not touched.",
  ),
});

export const brokerConfigSchema = z.strictObject({
  bind: z.string().min(1).default("127.0.0.1").describe("Address to listen on. 0.0.0.0 or :: for all."),
  mqttPort: port().default(1883).describe("Port of MQTT over TCP. 0: any free port."),
  wsPort: port().optional().describe("Port of MQTT over WebSocket (path /mqtt). Left out: none. 0: any free port."),
  wsOrigins: z
    .array(z.string())
    .default([])
    .describe("Web origins that may connect by WebSocket beside the broker's own host; `*` for all."),
  tls: z
    .strictObject({
      certFile: z.string().describe("Certificate chain, PEM. Read again when it changes."),
      keyFile: z.string().describe("Private key, PEM."),
      port: port().default(8883).describe("Port of MQTT over TLS. 0: any free port."),
    })
    .optional()
    .describe("MQTT over TLS, beside plain MQTT."),
  usersFile: z
    .string()
    .optional()
    .describe("YAML file of users, their password hashes and topics. Read again on change."),
  anonymous: z
    .boolean()
    .optional()
    .describe("Let clients in without a name. Default: only without a users file, and bound to this machine."),
  limits: brokerLimitsSchema.prefault({}).describe("Bounds. What goes beyond one is refused or dropped, and counted."),
});

export type BrokerConfig = z.output<typeof brokerConfigSchema>;

function port() {
  return z.int().min(0).max(65_535);
}

/** Whether only this machine can reach the address. */
export function isLoopback(address: string): boolean {
  return address === "localhost" || address === "::1" || /^127(?:\.\d{1,3}){3}$/.test(address);
}

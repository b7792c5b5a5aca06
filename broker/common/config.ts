import { z } from "zod";
import { durationField, sizeField } from "../../platform/files/schemas.ts";

function count(fallback: number, description: string) {
  return z.int().min(1).default(fallback).describe(description);
}

function size(fallback: string, description: string) {
  return sizeField("1B", "1TiB").prefault(fallback).describe(description);
}

const brokerLimitsSchema = z.strictObject({
  clients_max: count(
    10_000,
    "The most connected clients. Further ones are refused with return code 3 (server unavailable).",
  ),
  connecting_max: count(
    5_000,
    "The most connections that have not sent their CONNECT packet. Above it, the one that has been silent the longest is closed, of the address that has the most of them.",
  ),
  connecting_per_address_max: count(
    2_500,
    "The same for the connections from one address (with IPv6, one /64 network).",
  ),
  packet_size_max: size("256KiB", "The largest MQTT packet. A larger one closes its connection."),
  inflight_per_client_max: count(
    256,
    "Messages of one client between arrival and acknowledgement. The broker reads no more until some are acknowledged. MQTT 5 clients get it as Receive Maximum.",
  ),
  inflight_size_per_client_max: size("8MiB", "The same for the bytes of one client's messages."),
  inflight_max: count(
    50_000,
    "The same for the messages of all clients together. A client may have less than its own limit when little is free, so that slow messages of some leave room for others.",
  ),
  inflight_size_max: size("64MiB", "The same for the bytes of all clients' messages."),
  messages_per_second_max: count(
    50_000,
    "Messages that one client may publish in a second. The broker reads a faster client more slowly; it loses nothing.",
  ),
  bytes_per_second_max: size("64MiB", "The same for the bytes of one client's messages in a second."),
  topic_levels_max: z
    .int()
    .min(1)
    .max(100)
    .default(32)
    .describe("The most levels of a topic or filter. More close the connection."),
  client_id_size_max: size("256B", "The longest client id. The broker refuses a longer one with return code 2."),
  keepalive_max: durationField("0s", "18h")
    .prefault("0s")
    .describe(
      "The longest keep-alive: a client that is silent for one and a half times as long is disconnected, even if it asked for more. `0s`: as each client asks.",
    ),
  connect_timeout: durationField("10ms", "1h")
    .prefault("10s")
    .describe("How long a new connection may take to send its CONNECT packet before it is closed."),
  drain_timeout: durationField("50ms", "1h")
    .prefault("5s")
    .describe("A client that reads nothing for this long while data waits for it is disconnected."),
  subscriber_backlog_size_max: size(
    "1MiB",
    "Bytes that wait for one slow subscriber. Above this, QoS 0 messages to it are dropped until it catches up.",
  ),
  subscriber_backlog_size_close: size(
    "8MiB",
    "Bytes that wait for one slow subscriber with QoS 1 or 2. Above this, its connection is closed.",
  ),
  subscriptions_per_client_max: count(
    1_000,
    "The most topic filters of one client. Further ones are refused (SUBACK 0x80, in MQTT 5 0x97).",
  ),
  sessions_max: count(
    20_000,
    "The most persistent sessions. A new one replaces the session that has been offline the longest.",
  ),
  session_expiry: durationField("1s", "3650d")
    .prefault("1d")
    .describe(
      "A persistent session is deleted when its client stays offline for this long. MQTT 5 clients may ask for less.",
    ),
  queued_per_session_max: count(
    1_000,
    "Messages that one persistent session has not acknowledged, or that wait for it. Beyond it, the oldest that were not sent are dropped.",
  ),
  queued_size_max: size(
    "64MiB",
    "Bytes queued for all persistent sessions. Beyond it, the longest queue drops its oldest.",
  ),
  qos2_per_client_max: count(1_000, "Unreleased QoS 2 messages of one client. More close its connection."),
  retained_max: count(10_000, "Topics with a retained message. More are forwarded but not retained."),
  retained_size_max: size("64MiB", "Bytes of retained messages. More are forwarded but not retained."),
  password_checks_max: z.int().min(1).max(4).default(2).describe("Password hashes computed at the same time."),
  password_queue_max: count(
    10_000,
    "Clients that wait for a password check. Further ones are refused with return code 3.",
  ),
  login_failures_per_minute_max: count(
    20,
    "Failed logins from one address in a minute. Further logins are refused unchecked; connected clients are unaffected.",
  ),
});

export const brokerConfigSchema = z.strictObject({
  bind: z.string().min(1).default("127.0.0.1").describe("Address to listen on. 0.0.0.0 or :: for all."),
  mqtt_port: port().default(1883).describe("Port of MQTT over TCP. 0: any free port."),
  ws_port: port().optional().describe("Port of MQTT over WebSocket (path /mqtt). If omitted, none. 0: any free port."),
  ws_origins: z
    .array(z.string())
    .default([])
    .describe("Web origins that may connect by WebSocket, besides the broker's own host; `*` for all.")
    .meta({ examples: [["https://ops.example.com"]] }),
  tls: z
    .strictObject({
      cert_file: z.string().describe("Certificate chain, PEM. The broker reads it again when it changes."),
      key_file: z.string().describe("Private key, PEM."),
      port: port().default(8883).describe("Port of MQTT over TLS. 0: any free port."),
    })
    .optional()
    .describe("MQTT over TLS, in addition to plain MQTT."),
  users_file: z
    .string()
    .optional()
    .describe(
      "YAML file of users, their password hashes and topics; `weir passwd` makes its entries. The broker reads it again when it changes.",
    )
    .meta({ examples: ["users.yaml"] }),
  anonymous: z
    .boolean()
    .optional()
    .describe(
      "Accept clients that send no user name. By default only without a users file, and only while the broker listens on this machine alone.",
    ),
  limits: brokerLimitsSchema.prefault({}).describe("Limits. Anything above one is refused or dropped, and counted."),
});

export type BrokerConfig = z.output<typeof brokerConfigSchema>;

function port() {
  return z.int().min(0).max(65_535);
}

/** Whether only this machine can reach the address. */
export function isLoopback(address: string): boolean {
  return address === "localhost" || address === "::1" || /^127(?:\.\d{1,3}){3}$/.test(address);
}

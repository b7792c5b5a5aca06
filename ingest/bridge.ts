import mqtt from "mqtt";
import type { Clock } from "../platform/clock.ts";
import type { InboundMessage } from "../platform/publish-gate.ts";
import type { Health } from "../platform/service.ts";
import type { BridgeConfig } from "./config.ts";
import type { IngestEvents } from "./events.ts";

export interface BridgeDeps {
  readonly accept: (message: InboundMessage, done: (error?: Error) => void) => void;
  readonly clock: Clock;
  readonly events: IngestEvents;
}

export interface Bridge {
  health(): Health;
  stop(): Promise<void>;
}

const RECONNECT_MS_MIN = 500;
const RECONNECT_MS_SPREAD = 2000;
/** MQTT 5 reason codes. */
const SUCCESS = 0;
const UNSPECIFIED_ERROR = 0x80;

/**
 * Subscribes to an outside broker (MQTT 5) and acknowledges a message only after it is kept. The session outlives the
 * connection, so that the broker sends again what was not acknowledged.
 */
export async function startBridge(config: BridgeConfig, deps: BridgeDeps): Promise<Bridge> {
  const { accept, clock, events } = deps;
  const client = mqtt.connect(config.url, {
    protocolVersion: 5,
    clientId: config.clientId,
    clean: false,
    properties: { sessionExpiryInterval: 86_400, receiveMaximum: 1000 },
    reconnectPeriod: RECONNECT_MS_MIN + Math.random() * RECONNECT_MS_SPREAD,
    reconnectOnConnackError: true,
    ...(config.username === undefined ? {} : { username: config.username }),
    ...(config.password === undefined ? {} : { password: config.password }),
    customHandleAcks(topic, payload, packet, acknowledge) {
      const message: InboundMessage = {
        topic,
        payload,
        qos: packet.qos,
        retain: packet.retain,
        clientId: `bridge:${config.clientId}`,
        receivedAtUs: clock.nowUs(),
      };
      accept(message, (error) => acknowledge(error ?? 0, error ? UNSPECIFIED_ERROR : SUCCESS));
    },
  });
  let lost = "not connected yet";
  const filters = config.topics.map((topic) => (config.share ? `$share/${config.share}/${topic}` : topic));
  client.on("connect", () => {
    lost = "";
    events.bridgeConnected(config.url);
    client.subscribe(filters, { qos: config.qos }, (_error, granted) => {
      for (const grant of granted ?? []) if (grant.qos >= UNSPECIFIED_ERROR) events.bridgeRefused(grant.topic);
    });
  });
  // A message of QoS 0 has no acknowledgement to hold back.
  client.on("message", (topic, payload, packet) => {
    if (packet.qos !== 0) return;
    const { retain } = packet;
    accept(
      { topic, payload, qos: 0, retain, clientId: `bridge:${config.clientId}`, receivedAtUs: clock.nowUs() },
      () => {},
    );
  });
  client.on("error", (error) => {
    lost = error.message || String(error);
  });
  client.on("close", () => {
    lost ||= "connection closed";
    events.bridgeLost(config.url, lost);
  });
  return {
    health: () => (client.connected ? { ready: true, detail: "" } : { ready: false, detail: `bridge: ${lost}` }),
    stop: () => client.endAsync().then(() => undefined),
  };
}

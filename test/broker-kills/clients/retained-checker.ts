import { setTimeout as sleep } from "node:timers/promises";
import type { Packet } from "mqtt-packet";
import type { ClientOptions } from "./persistent-client.ts";
import { Wire } from "./wire.ts";

const COMPLETE_MS_MAX = 20_000;
const POLL_MS = 10;
/** For values that must not come. */
const MORE_MS = 150;
const FILTER_ID = 1;

export interface CheckerOptions extends ClientOptions {
  readonly filter: string;
}

/**
 * Connects as a new client, subscribes, and compares what is retained. False when the connection broke before everything came: then
 * nothing was learned about what is missing.
 */
export async function checkRetained(options: CheckerOptions): Promise<boolean> {
  const { clientId, filter, oracle, port } = options;
  let isOpen = true;
  let isSubscribed = false;
  const check = oracle.retained.begin();
  const wire = new Wire(port(), {
    packet(packet) {
      if (packet.cmd === "connack") {
        if ((packet.reasonCode ?? 0) !== 0) isOpen = false;
        wire.send({ cmd: "subscribe", messageId: FILTER_ID, subscriptions: [{ topic: filter, qos: 0 }] });
      }
      if (packet.cmd === "suback") isSubscribed = true;
      take(packet);
    },
    closed() {
      isOpen = false;
    },
  });

  function take(packet: Packet): void {
    if (packet.cmd !== "publish" || !packet.retain) return;
    const { n }: { n: number } = JSON.parse(packet.payload.toString());
    check.received(packet.topic, n);
  }

  wire.send({ cmd: "connect", clientId, protocolId: "MQTT", protocolVersion: 5, clean: true, keepalive: 600 });
  const untilMs = performance.now() + COMPLETE_MS_MAX;
  while (isOpen && !(isSubscribed && check.missing().length === 0) && performance.now() < untilMs) await sleep(POLL_MS);
  await sleep(MORE_MS);
  wire.destroy();
  if (!isOpen) return false;
  if (isSubscribed) check.finish();
  return isSubscribed;
}

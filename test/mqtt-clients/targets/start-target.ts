import { startMosquittoTarget } from "./mosquitto-target.ts";
import type { Target } from "./target.ts";
import { startWeirTarget } from "./weir-target.ts";

const onMosquitto = process.env.MQTT_CLIENTS_TARGET === "mosquitto";

/** Weir, or Mosquitto to check the tests themselves: MQTT_CLIENTS_TARGET=mosquitto. */
export function startTarget(): Promise<Target> {
  return onMosquitto ? startMosquittoTarget() : startWeirTarget();
}

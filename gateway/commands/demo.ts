import type { Logger } from "pino";
import { systemClock } from "../../platform/clock.ts";
import type { Service } from "../../platform/service.ts";
import { beijingAirReplay } from "../../simulators/beijing-air.ts";
import { startReplay } from "../../simulators/replay.ts";

/** Two hours of the recording in a second. */
const DEMO_SPEED = 7_200;

/** Plays the shipped recording over MQTT, over and over. */
export function startDemo(mqttPort: number | undefined, logger: Logger): Promise<Service> {
  const config = beijingAirReplay({
    url: `mqtt://127.0.0.1:${mqttPort}`,
    speed: DEMO_SPEED,
    loop: true,
    connections: 2,
  });
  return startReplay(config, { logger, clock: systemClock });
}

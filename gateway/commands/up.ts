import { createLogger } from "../../platform/logger.ts";
import { startGateway } from "../services/gateway.ts";
import type { Addresses } from "../services/run-service.ts";
import { readPipelineConfig } from "../settings/pipeline-config.ts";
import type { ServiceName } from "../settings/plan.ts";
import type { Settings } from "../settings/settings.ts";
import { startDemo } from "./demo.ts";
import { stopInTime, toldToStop } from "./shutdown.ts";

/** Runs services until told to stop. */
export async function up(options: {
  readonly settings: Settings;
  readonly services: readonly ServiceName[];
  readonly demo: boolean;
}): Promise<void> {
  const { settings, services } = options;
  const logger = createLogger({ level: settings.logLevel, pretty: process.stderr.isTTY === true, name: "weir" });
  const config = readPipelineConfig(settings.config);
  const told = toldToStop();
  const gateway = startGateway({ settings, config, services, logger });
  let demo: { stop(): Promise<void> } | undefined;
  try {
    const addresses = await Promise.race([gateway.ready, told]);
    if (addresses) {
      const { mqttPort } = addresses;
      const starting = options.demo ? startDemo({ mqttPort, dataDir: settings.dataDir, logger }) : undefined;
      demo = (await Promise.race([starting, told])) ?? undefined;
      process.stdout.write(welcome(settings, addresses, options.demo));
      await told;
    }
    logger.info("stopping: what came in is being kept");
  } finally {
    await stopInTime(async () => {
      try {
        await demo?.stop();
      } finally {
        await gateway.stop();
      }
    }, gateway.stopsNext);
  }
}

function welcome(settings: Settings, addresses: Addresses, demo: boolean): string {
  const { httpPort, mqttPort, mqttWsPort } = addresses;
  const host = settings.bind === "0.0.0.0" || settings.bind === "::" ? "localhost" : settings.bind;
  const lines = [
    "",
    "  Weir is up.",
    ...(httpPort === undefined ? [] : [`  Page    http://${host}:${httpPort}/`]),
    ...(mqttPort === undefined
      ? []
      : [`  MQTT    mqtt://${host}:${mqttPort}   topics sensors/{site}/{device}/telemetry`]),
    ...(mqttWsPort === undefined ? [] : [`          ws://${host}:${mqttWsPort}/mqtt`]),
    `  Data    ${settings.dataDir}`,
    ...(demo ? ["  A demo replays recorded air quality of twelve stations in Beijing, two hours a second."] : []),
    "  Stop with Ctrl-C.",
    "",
  ];
  return `${lines.join("\n")}\n`;
}

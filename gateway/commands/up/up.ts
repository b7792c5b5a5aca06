import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { Argument, type Command } from "commander";
import type { Logger } from "pino";
import { createLogger } from "../../../platform/logger.ts";
import { startGateway } from "../../services/gateway.ts";
import { SERVICE_NAMES, SERVICES, type ServiceName } from "../../services/services.ts";
import type { Addresses } from "../../services/started.ts";
import { type PipelineConfig, readPipelineConfig } from "../../settings/pipeline-config.ts";
import { natsOf } from "../../settings/plan.ts";
import { hasNoRuleFiles, mayCreateRulesFolder } from "../../settings/rules-folder.ts";
import type { Settings } from "../../settings/settings.ts";
import { UsageError } from "../common/failures.ts";
import { settingsOf, withSettings } from "../common/settings-flags.ts";
import { stopInTime, stopRequested } from "../common/shutdown.ts";
import type { DemoOptions } from "./demo.ts";

/** Adds `weir up`. */
export function addUpCommand(program: Command): void {
  withSettings(program.command("up"))
    .description("run everything in one process, with its own NATS server")
    .option("--demo", "also replay the recording that comes with Weir")
    .action((flags) => run({ settings: settingsOf(flags), services: SERVICE_NAMES, demo: flags.demo === true }));
}

const SHARED_NATS = "NATS server that the services share (default: nats.url in weir.yaml)";

/** Adds `weir run`. */
export function addRunCommand(program: Command): void {
  const list = SERVICE_NAMES.map((name) => `  ${name.padEnd(11)} ${SERVICES[name].about}`);
  withSettings(program.command("run"), { descriptions: { natsUrl: SHARED_NATS } })
    .description("run single services on a NATS server that they share")
    .addArgument(new Argument("<service...>").choices(SERVICE_NAMES))
    .addHelpText("after", `\nServices:\n${list.join("\n")}`)
    .action((services: ServiceName[], flags) => {
      const settings = settingsOf(flags);
      if (natsOf(settings, readPipelineConfig(settings.config), process.env) === undefined) {
        throw new UsageError(
          "Single services share a NATS server: give its address with --nats-url (WEIR_NATS_URL), or nats.url in weir.yaml.",
        );
      }
      return run({ settings, services, demo: false });
    });
}

/** Runs services until a signal to stop. */
async function run(options: {
  readonly settings: Settings;
  readonly services: readonly ServiceName[];
  readonly demo: boolean;
}): Promise<void> {
  const { settings, services } = options;
  const logger = createLogger({ level: settings.logLevel, pretty: process.stderr.isTTY === true, name: "weir" });
  const config = readPipelineConfig(settings.config);
  const requested = stopRequested();
  prepareRulesFolder(settings, config, services, logger);
  const gateway = startGateway({ settings, config, services, logger });
  let demo: { stop(): Promise<void> } | undefined;
  try {
    const addresses = await Promise.race([gateway.ready, requested]);
    if (addresses) {
      const { mqttPort } = addresses;
      const starting = options.demo ? demoOf({ mqttPort, dataDir: settings.dataDir, logger }) : undefined;
      demo = (await Promise.race([starting, requested])) ?? undefined;
      process.stdout.write(welcome({ settings, addresses, sources: config.sources, demo: options.demo }));
      await requested;
    }
    logger.info("stopping: readings that arrived are kept");
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

/** Loaded when it is wanted: loading is most of a start. */
async function demoOf(options: DemoOptions): Promise<{ stop(): Promise<void> }> {
  const { startDemo } = await import("./demo.ts");
  return await startDemo(options);
}

/** A gateway that starts for the first time needs no rules. The log says where they go. */
function prepareRulesFolder(
  settings: Settings,
  config: PipelineConfig,
  services: readonly ServiceName[],
  logger: Logger,
): void {
  if (!services.includes("processors")) return;
  const ownNats = natsOf(settings, config, process.env) === undefined;
  if (mayCreateRulesFolder(settings, ownNats)) mkdirSync(settings.rulesDir, { recursive: true });
  if (!hasNoRuleFiles(settings)) return;
  logger.info(`no rules yet: rule files go to ${resolve(settings.rulesDir)}; \`weir init\` writes a sample`);
}

/** More sources than this would push the addresses out of sight. */
const TOPICS_SHOWN_MAX = 5;

function welcome(options: {
  readonly settings: Settings;
  readonly addresses: Addresses;
  readonly sources: PipelineConfig["sources"];
  readonly demo: boolean;
}): string {
  const { settings, addresses, sources, demo } = options;
  const topics = sources.slice(0, TOPICS_SHOWN_MAX).map(({ topic }) => topic);
  if (sources.length > topics.length)
    topics.push(`and ${sources.length - topics.length} more; see sources in weir.yaml`);
  const { httpPort, mqttPort, mqttWsPort } = addresses;
  const host = settings.bind === "0.0.0.0" || settings.bind === "::" ? "localhost" : settings.bind;
  const lines = [
    "",
    "  Weir is up.",
    ...(httpPort === undefined ? [] : [`  Page    http://${host}:${httpPort}/`]),
    ...(mqttPort === undefined
      ? []
      : [`  MQTT    mqtt://${host}:${mqttPort}`, ...topics.map((topic) => `          topic ${topic}`)]),
    ...(mqttWsPort === undefined ? [] : [`          ws://${host}:${mqttWsPort}/mqtt`]),
    `  Data    ${settings.dataDir}`,
    ...(demo ? ["  A demo replays recorded air quality of twelve stations in Beijing, two hours a second."] : []),
    "  Stop with Ctrl-C.",
    "",
  ];
  return `${lines.join("\n")}\n`;
}

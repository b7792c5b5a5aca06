import { access, constants, mkdir } from "node:fs/promises";
import { createConnection } from "node:net";
import { reasonOf } from "../../domain/reason.ts";
import { checkReceivers } from "../../notifier/check-receivers.ts";
import { formatProblems } from "../../platform/files/yaml-file.ts";
import { connectJetStreamLog } from "../../platform/log/jetstream.ts";
import { createLogger } from "../../platform/logger.ts";
import { findNatsServer } from "../../platform/nats-server/find-binary.ts";
import { loadRules } from "../../rule-language/files/load-rules.ts";
import { type PipelineConfig, readPipelineConfig, toRetention } from "../settings/pipeline-config.ts";
import type { Settings } from "../settings/settings.ts";

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Looks at all that the gateway needs, and says what is wrong. Resolves to whether all is well. */
export async function doctor(settings: Settings): Promise<boolean> {
  const findings = await Promise.all([
    check("Node.js", checkNode),
    check("configuration", () => checkConfig(settings)),
    check("rules", () => checkRules(settings)),
    check("data folder", () => checkDataDir(settings)),
    check("NATS", () => checkNats(settings)),
    check("storage", () => checkStorage(settings)),
    check("MQTT port", () => checkPort(settings.bind, settings.mqttPort)),
    check("page's port", () => checkPort(settings.bind, settings.httpPort)),
  ]);
  findings.push(...(await receiverFindings(settings, process.env)));
  const width = Math.max(...findings.map(({ what }) => what.length));
  for (const { what, ok, detail } of findings) {
    const rest = detail.replaceAll("\n", `\n${" ".repeat(width + 8)}`);
    process.stdout.write(`${ok ? "ok   " : "WRONG"}  ${what.padEnd(width)} ${rest}\n`);
  }
  return findings.every(({ ok }) => ok);
}

/** Whether each receiver's secrets are there, and whether its host can be reached. Sends nothing. */
export async function receiverFindings(
  { config }: Pick<Settings, "config">,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Finding[]> {
  let notifier: PipelineConfig["notifier"];
  try {
    ({ notifier } = readPipelineConfig(config));
  } catch {
    // The configuration has a line of its own.
    return [];
  }
  const findings = await checkReceivers(notifier, environment);
  return findings.map(({ target, ok, detail }) => ({ what: target, ok, detail }));
}

async function check(what: string, look: () => Promise<string>): Promise<Finding> {
  try {
    return { what, ok: true, detail: await look() };
  } catch (error) {
    return { what, ok: false, detail: reasonOf(error) };
  }
}

async function checkNode(): Promise<string> {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) throw new Error(`${process.version}; 20.19 or newer is needed`);
  return process.version;
}

async function checkConfig({ config }: Settings): Promise<string> {
  readPipelineConfig(config);
  return config ?? "no weir.yaml: defaults";
}

async function checkRules({ rulesDir }: Settings): Promise<string> {
  const { specs, problems } = await loadRules(rulesDir);
  if (problems.length > 0) throw new Error(formatProblems(problems));
  return `${specs.length} in ${rulesDir}`;
}

async function checkDataDir({ dataDir }: Settings): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  await access(dataDir, constants.W_OK);
  return dataDir;
}

async function checkNats({ natsUrl, natsToken }: Settings): Promise<string> {
  const logger = createLogger({ level: "silent", pretty: false, name: "doctor" });
  if (natsUrl === undefined) {
    const { path, version } = await findNatsServer(logger);
    return `${path} ${version} will be started`;
  }
  const retention = toRetention({ maxAge: 86_400_000_000, maxMebibytes: 16 });
  const log = await withTimeout(
    connectJetStreamLog({
      servers: natsUrl,
      name: "weir-doctor",
      partitions: 1,
      retention: { readings: retention, windows: retention, alerts: retention, deadLetters: retention },
      logger,
      ...(natsToken === undefined ? {} : { token: natsToken }),
    }),
    `no answer from ${natsUrl}`,
  );
  await log.close();
  return `${natsUrl} answers; an acknowledgement there is worth: ${log.durability}`;
}

async function checkStorage({ influxUrl, dataDir }: Settings): Promise<string> {
  if (influxUrl === undefined) return `embedded DuckDB in ${dataDir}`;
  const response = await fetch(new URL("/health", influxUrl), { signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(
    () => undefined,
  );
  if (!response?.ok) throw new Error(`InfluxDB at ${influxUrl} does not answer; results would wait in the log`);
  return `InfluxDB at ${influxUrl} answers`;
}

async function checkPort(host: string, port: number): Promise<string> {
  if (port === 0) return "any free one";
  const taken = await new Promise<boolean>((resolve) => {
    const socket = createConnection({ host, port, timeout: TIMEOUT_MS });
    socket.once("connect", () => resolve(true));
    for (const event of ["error", "timeout"]) socket.once(event, () => resolve(false));
    socket.unref();
  });
  if (taken) throw new Error(`${host}:${port} is taken by another program`);
  return `${host}:${port} is free`;
}

const TIMEOUT_MS = 3_000;

async function withTimeout<T>(work: Promise<T>, message: string): Promise<T> {
  return Promise.race([
    work,
    new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(message)), TIMEOUT_MS).unref();
    }),
  ]);
}

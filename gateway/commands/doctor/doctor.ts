import { access, constants, readFile, stat } from "node:fs/promises";
import { createConnection } from "node:net";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { checkBridge } from "../../../bridge/check-bridge.ts";
import { parseUsers } from "../../../broker/auth/users-file.ts";
import { keysOf } from "../../../domain/keys-of.ts";
import { reasonOf } from "../../../domain/reason.ts";
import { checkReceivers } from "../../../notifier/check-receivers.ts";
import { formatProblems } from "../../../platform/files/yaml-file.ts";
import { loadRules } from "../../../rule-language/files/load-rules.ts";
import { checkStore } from "../../../storage/stores.ts";
import { readRunFile } from "../../services/data-dir.ts";
import { type PipelineConfig, readPipelineConfig } from "../../settings/pipeline-config.ts";
import { natsOf, refuseOpenDoors, storesOf } from "../../settings/plan.ts";
import { mayCreateRulesFolder } from "../../settings/rules-folder.ts";
import { SETTINGS, type Settings } from "../../settings/settings.ts";
import { settingsOf, withSettings } from "../common/settings-flags.ts";
import { type Finding, natsFindings } from "./doctor-nats.ts";

const TIMEOUT_MS = 3_000;
const CHECKED = keysOf(SETTINGS).filter((name) => name !== "logLevel" && name !== "mqttWsPort");

/** Adds `weir doctor`. */
export function addDoctorCommand(program: Command): void {
  withSettings(program.command("doctor"), { only: CHECKED })
    .description("check everything that Weir needs, and how to fix what is wrong; changes nothing")
    .action(async (flags) => {
      process.exit((await doctor(settingsOf(flags))) ? 0 : 1);
    });
}

/** Checks everything that the gateway needs, and prints what is wrong. Changes nothing. Resolves to whether all is well. */
export async function doctor(settings: Settings): Promise<boolean> {
  const found = await Promise.all([
    check("Node.js", checkNode),
    check("configuration", () => checkConfig(settings)),
    check("rules", () => checkRules(settings)),
    check("data folder", () => checkDataDir(settings)),
    natsFindings(settings, configOf(settings)),
    check("storage", () => checkStorage(settings)),
    check("access", () => checkAccess(settings)),
    check("MQTT port", () => checkPort(settings, "mqttPort")),
    check("page's port", () => checkPort(settings, "httpPort")),
    receiverFindings(settings, process.env),
    bridgeFindings(settings, process.env),
  ]);
  const findings = found.flat();
  const width = Math.max(...findings.map(({ what }) => what.length));
  for (const { what, ok, note, detail } of findings) {
    const mark = !ok ? "WRONG" : note ? "note " : "ok   ";
    const rest = detail.replaceAll("\n", `\n${" ".repeat(width + 8)}`);
    process.stdout.write(`${mark}  ${what.padEnd(width)} ${rest}\n`);
  }
  return findings.every(({ ok }) => ok);
}

/** Checks that the secrets of each receiver exist, and that its host accepts connections. Sends nothing. */
export async function receiverFindings(
  { config }: Pick<Settings, "config">,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Finding[]> {
  const { notifier } = configOf({ config }) ?? {};
  if (notifier === undefined) return [];
  const findings = await checkReceivers(notifier, environment);
  return findings.map(({ target, ok, detail }) => ({ what: target, ok, detail }));
}

/** Connects to the outside broker of each bridge as the bridge would, but with a client id of its own. */
export async function bridgeFindings(
  { config }: Pick<Settings, "config">,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Finding[]> {
  const { bridges = [] } = configOf({ config }) ?? {};
  return Promise.all(
    bridges.map(async (bridge) => ({ what: `bridge ${bridge.name}`, ...(await checkBridge(bridge, environment)) })),
  );
}

/** Undefined when the file cannot be read, which is a separate finding. */
function configOf({ config }: Pick<Settings, "config">): PipelineConfig | undefined {
  try {
    return readPipelineConfig(config);
  } catch {
    return undefined;
  }
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

async function checkRules(settings: Settings): Promise<string> {
  const { rulesDir } = settings;
  const ownNats = natsOf(settings, configOf(settings) ?? { nats: {} }, process.env) === undefined;
  if (mayCreateRulesFolder(settings, ownNats)) return `no ${rulesDir} yet; a start creates it`;
  const { specs, problems } = await loadRules(rulesDir);
  if (problems.length > 0) throw new Error(formatProblems(problems));
  return `${specs.length} in ${rulesDir}`;
}

async function checkDataDir({ dataDir }: Settings): Promise<string> {
  for (let folder = resolve(dataDir); ; folder = dirname(folder)) {
    const found = await stat(folder).catch((error: NodeJS.ErrnoException) => {
      // ENOTDIR: a folder above it is a file, which the loop reaches.
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
      throw error;
    });
    if (found === undefined) continue;
    if (!found.isDirectory()) throw new Error(`${folder} is not a folder; name another one with --data-dir`);
    await access(folder, constants.W_OK);
    return folder === resolve(dataDir) ? dataDir : `${dataDir} does not exist yet; a start creates it`;
  }
}

async function checkStorage(settings: Settings): Promise<string> {
  const stores = storesOf(settings, configOf(settings) ?? readPipelineConfig(undefined), process.env);
  return (await Promise.all(stores.map(checkStore))).join("; ");
}

/** Who may publish and read: the files that the broker needs, and that no door is open by mistake. */
export async function checkAccess(settings: Settings): Promise<string> {
  const config = configOf(settings) ?? readPipelineConfig(undefined);
  refuseOpenDoors(settings, config);
  const { users_file, tls } = config.broker;
  for (const file of [tls?.cert_file, tls?.key_file]) {
    if (file !== undefined) await access(file, constants.R_OK);
  }
  if (users_file === undefined) return settings.insecure ? "open to anyone: --insecure" : "anyone on this machine";
  const parsed = parseUsers(await readFile(users_file, "utf8"), users_file);
  if (parsed.kind === "faults") throw new Error(parsed.faults.join("\n"));
  return `${parsed.users.byName.size} users in ${users_file}`;
}

/** Whether a port is free, or used by the gateway of this data folder. Throws when another program uses it. */
export async function checkPort(settings: Settings, name: "mqttPort" | "httpPort"): Promise<string> {
  const { bind: host, dataDir } = settings;
  const port = settings[name];
  if (port === 0) return "any free one";
  const taken = await new Promise<boolean>((resolve) => {
    const socket = createConnection({ host, port, timeout: TIMEOUT_MS });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    for (const event of ["error", "timeout"]) socket.once(event, () => end(false));
  });
  if (!taken) return `${host}:${port} is free`;
  const run = readRunFile(dataDir);
  if (run?.[name] === port)
    return `${host}:${port} is used by the gateway that runs on ${dataDir} (process ${run.pid})`;
  const { flag, variable } = SETTINGS[name];
  throw new Error(`${host}:${port} is in use by another program; choose another port with ${flag} (${variable})`);
}

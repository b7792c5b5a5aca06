import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { makeCertificate } from "../../broker/testing/test-support.ts";
import { makeAuthority } from "../servers/certificates.ts";
import { freePort } from "../servers/free-port.ts";
import { GatewayProcess } from "../servers/gateway-process.ts";
import { startMosquitto } from "../servers/mosquitto.ts";
import type { Attack, AttackContext } from "./attack.ts";
import type { Door, Ports } from "./client.ts";
import { CONNECTION_ATTACKS } from "./connection-attacks.ts";
import { type Accounts, difference, isBalanced, MemoryPeak, settledAccounts } from "./figures.ts";
import { HonestDevice, type Waits } from "./honest-device.ts";
import { CARDINALITY_ATTACKS, MESSAGE_ATTACKS } from "./message-attacks.ts";

export const ATTACKS: readonly Attack[] = [...MESSAGE_ATTACKS, ...CONNECTION_ATTACKS, ...CARDINALITY_ATTACKS];

export interface HostileOptions {
  /** The built tree: `dist` or `build`. */
  readonly distDir: string;
  readonly seconds: number;
  readonly picked: (attack: Attack, door: Door) => boolean;
  /** An honest PUBACK may take this long; or this many times as long as the slowest without any attack, if that is more. */
  readonly pubackMsMax: number;
  readonly calmTimesMax: number;
  readonly memoryBytesMax: number;
  readonly say: (line: string) => void;
  /** Ends before the next attack. */
  readonly signal?: AbortSignal;
}

export interface Outcome {
  readonly attack: string;
  readonly door: Door;
  readonly acknowledged: number;
  readonly honest: Waits;
  readonly memoryBytes: number;
  readonly accounts: Accounts;
}

export interface HostileReport {
  readonly outcomes: readonly Outcome[];
  readonly calm: Waits;
  readonly faults: readonly string[];
}

const CALM_MS = 3_000;
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;

/** Attacks a gateway in all picked ways, one after another, with an honest device beside it. */
export async function attackAll(options: HostileOptions): Promise<HostileReport> {
  const undo: (() => Promise<unknown>)[] = [];
  try {
    return await attackWith(options, undo);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

async function attackWith(options: HostileOptions, undo: (() => Promise<unknown>)[]): Promise<HostileReport> {
  const { gateway, ports, rulesDir } = await start(options, undo);
  const memory = new MemoryPeak(gateway.info.pid);
  undo.push(async () => memory.stop());
  const honest = await HonestDevice.start(ports);
  await new Promise((resolve) => setTimeout(resolve, CALM_MS));
  const calm = honest.takeWaits();
  options.say(`calm: PUBACK max ${calm.max.toFixed(0)} ms, p99 ${calm.p99.toFixed(0)} ms of ${calm.messages} messages`);
  const outcomes: Outcome[] = [];
  const faults: string[] = [];
  for (const attack of ATTACKS) {
    for (const door of attack.doors) {
      options.signal?.throwIfAborted();
      if (!options.picked(attack, door)) continue;
      const context = { door, ports, rulesDir, tag: `${outcomes.length}` };
      const outcome = await attackOnce({ attack, context, honest, gateway, memory, seconds: options.seconds });
      outcomes.push(outcome);
      options.say(lineOf(outcome));
      faults.push(...faultsOf(outcome, calm, options));
      if (!gateway.running || honest.closed)
        throw new Error(`the gateway or the honest device ended: ${lineOf(outcome)}`);
    }
  }
  await honest.stop();
  memory.stop();
  const ended = await stopCaughtUp(gateway);
  if (ended !== "code 0") faults.push(`the gateway ended with ${ended}`);
  const rows = await honestRows(join(gateway.dataDir, "history.duckdb"));
  if (rows !== honest.sent) faults.push(`the store has ${rows} of ${honest.sent} honest readings`);
  return { outcomes, calm, faults };
}

async function start({ distDir }: HostileOptions, undo: (() => Promise<unknown>)[]) {
  const folder = await mkdtemp(join(tmpdir(), "weir-hostile-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const rulesDir = join(folder, "rules");
  await mkdir(rulesDir);
  await writeFile(join(rulesDir, "none.yaml"), "rules: []\n");
  const outside = await startMosquitto();
  undo.push(outside.stop);
  const authority = await makeAuthority(folder, "outside");
  const secured = await startMosquitto({ tls: await authority.issue("broker") });
  undo.push(secured.stop);
  const [tlsPort, wsPort] = [await freePort(), await freePort()];
  const { cert_file, key_file } = await makeCertificate(folder);
  const config = {
    broker: { tls: { cert_file, key_file, port: tlsPort } },
    bridges: [
      { name: "outside", url: outside.url, in: [{ remote: "#" }] },
      { name: "secured", url: secured.tlsUrl, tls: { ca_file: authority.certFile }, in: [{ remote: "#" }] },
    ],
  };
  await writeFile(join(folder, "weir.yaml"), JSON.stringify(config));
  const command = [process.execPath, join(distDir, "gateway", "main.js")];
  const env = { WEIR_MQTT_WS_PORT: `${wsPort}` };
  const gateway = new GatewayProcess({ command, dataDir: folder, rulesDir, env, startMsMax: START_MS_MAX });
  undo.push(
    () => gateway.endLeftovers(),
    () => gateway.stop(STOP_MS_MAX),
  );
  await gateway.start();
  const portOf = (url: string) => Number(new URL(url).port);
  const own = { tcp: gateway.info.mqttPort, tls: tlsPort, ws: wsPort };
  const ports: Ports = { ...own, bridge: portOf(outside.url), "bridge-tls": portOf(secured.url) };
  return { gateway, ports, rulesDir };
}

interface Scene {
  readonly attack: Attack;
  readonly context: Omit<AttackContext, "untilMs">;
  readonly honest: HonestDevice;
  readonly gateway: GatewayProcess;
  readonly memory: MemoryPeak;
  readonly seconds: number;
}

async function attackOnce({ attack, context, honest, gateway, memory, seconds }: Scene): Promise<Outcome> {
  const before = await settledAccounts(gateway, 0);
  const honestBefore = honest.sent;
  honest.takeWaits();
  await memory.take();
  const acknowledged = await attack.run({ ...context, untilMs: performance.now() + seconds * 1_000 });
  const waits = honest.takeWaits();
  // Those that wait at this moment may not be counted yet.
  const atLeast = before.received + acknowledged + Math.max(0, honest.sent - honestBefore - 50);
  const accounts = difference(await settledAccounts(gateway, atLeast), before);
  const memoryBytes = await memory.take();
  return { attack: attack.name, door: context.door, acknowledged, honest: waits, memoryBytes, accounts };
}

function faultsOf(outcome: Outcome, calm: Waits, options: HostileOptions): string[] {
  const { attack, door, honest, memoryBytes, accounts, acknowledged } = outcome;
  const pubackMsMax = Math.max(options.pubackMsMax, options.calmTimesMax * calm.max);
  const faults: string[] = [];
  if (honest.max > pubackMsMax) faults.push(`an honest PUBACK took ${honest.max.toFixed(0)} ms`);
  if (memoryBytes > options.memoryBytesMax) faults.push(`the gateway took ${mibOf(memoryBytes)} MiB`);
  if (!isBalanced(accounts)) faults.push(`in = stored + dead-lettered + dropped does not hold: ${equation(accounts)}`);
  if (accounts.unkept > 0) faults.push(`${accounts.unkept} messages could not be kept`);
  if (accounts.received < acknowledged) faults.push(`${acknowledged} were acknowledged, ${accounts.received} came in`);
  return faults.map((fault) => `${attack} over ${door}: ${fault}`);
}

/** Stops the gateway once the store has everything. */
async function stopCaughtUp(gateway: GatewayProcess): Promise<string> {
  const endMs = performance.now() + STOP_MS_MAX;
  while (performance.now() < endMs) {
    if ((await gateway.metrics())?.get("weir_storage_lag_messages") === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return await gateway.stop(STOP_MS_MAX);
}

async function honestRows(file: string): Promise<number> {
  const instance = await DuckDBInstance.create(file, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  try {
    const result = await connection.runAndReadAll("SELECT count(*) FROM readings WHERE device = 'honest'");
    return Number(result.getRows()[0]?.[0]);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function mibOf(bytes: number): string {
  return (bytes / 1_048_576).toFixed(0);
}

function equation({ received, stored, deadLettered, dropped }: Accounts): string {
  return `${received} = ${stored} + ${deadLettered} + ${dropped}`;
}

function lineOf({ attack, door, acknowledged, honest, memoryBytes, accounts }: Outcome): string {
  const waits = `${honest.max.toFixed(0).padStart(5)} ms ${honest.p99.toFixed(0).padStart(5)} ms`;
  const sent = String(acknowledged).padStart(8);
  return `${attack.padEnd(22)} ${door.padEnd(7)} ${sent} ${waits} ${mibOf(memoryBytes).padStart(6)} MiB  ${equation(accounts)}`;
}

export const TABLE_HEAD = `${"attack".padEnd(22)} ${"door".padEnd(7)} ${"messages".padStart(8)} ${"PUBACK max".padStart(8)} ${"p99".padStart(6)} ${"RSS peak".padStart(9)}   in = stored + dead-lettered + dropped`;

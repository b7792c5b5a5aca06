import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import { pino } from "pino";
import { reasonOf } from "../../domain/reason.ts";
import { systemClock } from "../../platform/clock.ts";
import { beijingAirReplay } from "../../simulators/beijing-air.ts";
import { createRandom } from "../../simulators/random.ts";
import { type ReplayReport, type ReplayService, startReplay } from "../../simulators/replay.ts";
import { GatewayProcess } from "../servers/gateway-process.ts";
import { attachDuckdb } from "./actual-duckdb.ts";
import { type InfluxAccess, loadInflux } from "./actual-influx.ts";
import { Backtests } from "./backtests.ts";
import { type Check, compare } from "./compare.ts";
import { checkExplanations, emittedChanges, openGatewayLog } from "./emitted.ts";
import { openOracle } from "./oracle.ts";
import { GROUPS_YAML, RULES_YAML, SITE_RULE } from "./rules.ts";
import { number } from "./sql.ts";

export interface VerifyOptions {
  /** Folder with PRSA_Data_*.csv(.gz) files. */
  readonly folder: string;
  /** How often to kill the gateway, and the NATS server, while the recording is played. */
  readonly killGateway?: number;
  readonly killNats?: number;
  /** Seed for the times of the kills. */
  readonly seed?: number;
  /** The InfluxDB to store in, instead of the embedded store. */
  readonly influx?: InfluxAccess | undefined;
  /** The gateway's program and first arguments. */
  readonly command?: readonly string[];
  /** Keeps the data folder, and reports where it is. */
  readonly keep?: boolean;
  readonly settleMsMax?: number;
  readonly say?: (text: string) => void;
}

export interface VerifyReport {
  readonly equal: boolean;
  readonly checks: readonly Check[];
  readonly replay: ReplayReport;
  /** The number of kills. */
  readonly kills: { readonly gateway: number; readonly nats: number };
  /** The time from the last acknowledgement until everything was processed and stored. */
  readonly settleMs: number;
  /** How the gateway exited after SIGTERM: `code 0`. */
  readonly gatewayEnd: string;
  readonly dataDir: string;
}

interface Kill {
  readonly what: "gateway" | "nats";
  /** Triggered after this many acknowledged rows. */
  readonly afterRows: number;
}

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;
/** The run has settled when nothing has changed for this long. */
const STILL_MS = 3000;
const POLL_MS = 20;
const LOOK_MS = 200;

/** Replays a recording through a real gateway, and compares the stored results with SQL over the files. */
export async function verifyRecorded(options: VerifyOptions): Promise<VerifyReport> {
  const { say = () => undefined, seed = 1 } = options;
  say("computing the expected results");
  const oracle = await openOracle(options.folder);
  const dataDir = await mkdtemp(join(tmpdir(), "weir-verify-"));
  const rulesDir = await writeRules(dataDir);
  const command = options.command ?? [process.execPath, resolve("dist/gateway/main.js")];
  const env = influxEnvironment(options.influx);
  const gateway = new GatewayProcess({
    command,
    dataDir,
    rulesDir,
    env,
    startMsMax: START_MS_MAX,
  });
  let replay: ReplayService | undefined;
  try {
    await gateway.start();
    const rows = await number(oracle, "SELECT count(DISTINCT (device, at_us)) FROM cells");
    const plan = planKills(options, rows, seed);
    say(`playing ${rows} rows${plan.length === 0 ? "" : `, seed ${seed}`}`);
    const url = `mqtt://127.0.0.1:${gateway.info.mqttPort}`;
    const logger = pino({ level: "error" }, pino.destination(2));
    const config = beijingAirReplay({ url, paths: [options.folder], speed: "max" });
    replay = await startReplay(config, { logger, clock: systemClock });
    const kills = await playWithKills(gateway, replay, plan, say);
    const replayed = await replay.done;
    say(`acknowledged ${replayed.acknowledged} rows in ${(replayed.elapsedMs / 1000).toFixed(1)} s`);
    const settleMs = await settled(gateway, options.settleMsMax ?? 600_000);
    const { emitted, checks: explained } = await askRunning(dataDir, seed);
    say(`${emitted.length} alert changes were emitted; some of them are explained`);
    const backtests = new Backtests({
      command,
      env,
      dataDir,
      rulesDir,
      emitted,
      orderedRules: new Set([SITE_RULE]),
      say,
    });
    const again = [...(await backtests.overLog()), ...(await backtests.over("the running gateway's store", ["store"]))];
    const gatewayEnd = await gateway.stop(STOP_MS_MAX);
    const files = [resolve(options.folder), "--columns", "beijing-air", "--site", config.site];
    const checks = [
      ...runChecks({ rows, replayed, plan, kills, gatewayEnd, leftovers: await gateway.endLeftovers() }),
      ...(await compareStore(oracle, dataDir, options.influx)),
      ...explained,
      ...again,
      ...(await backtests.over("the stored readings", [await storeFlag(dataDir, options.influx)])),
      ...(await backtests.over("the files", files)),
      ...(await backtests.overObserved("the files", files, oracle)),
      ...(await backtests.movedThreshold(files, oracle)),
    ];
    const equal = checks.every((check) => check.equal);
    return { equal, checks, replay: replayed, kills, settleMs, gatewayEnd, dataDir };
  } catch (error) {
    const log = `${dataDir}.log`;
    await cp(gateway.logFile, log).catch(() => undefined);
    throw new Error(`the run failed; the gateway's log is ${log}: ${reasonOf(error)}`, {
      cause: error,
    });
  } finally {
    await replay?.stop();
    await gateway.kill();
    await gateway.stop(0);
    await gateway.endLeftovers();
    oracle.closeSync();
    if (options.keep !== true) await rm(dataDir, { recursive: true, force: true });
  }
}

/** Writes the run's own rules, and the samples for this recording. */
async function writeRules(dataDir: string): Promise<string> {
  const rulesDir = join(dataDir, "verify-rules");
  await mkdir(rulesDir);
  await writeFile(join(rulesDir, "verify.yaml"), RULES_YAML);
  await writeFile(join(rulesDir, "verify-groups.yaml"), GROUPS_YAML);
  await cp(resolve("rules", "air-quality.yaml"), join(rulesDir, "air-quality.yaml"));
  return rulesDir;
}

async function askRunning(dataDir: string, seed: number) {
  const log = await openGatewayLog(dataDir);
  try {
    const emitted = await emittedChanges(log);
    return { emitted, checks: await checkExplanations(log, emitted, seed) };
  } finally {
    await log.close();
  }
}

/** The arguments of `weir rules backtest --over` for a store that no gateway has open. */
async function storeFlag(dataDir: string, influx: InfluxAccess | undefined): Promise<string> {
  if (influx !== undefined) return "influx";
  const file = (await readdir(dataDir, { recursive: true })).find((name) => name.endsWith(".duckdb"));
  if (file === undefined) throw new Error(`no .duckdb file in ${dataDir}`);
  return join(dataDir, file);
}

function influxEnvironment(influx: InfluxAccess | undefined): Record<string, string> {
  if (influx === undefined) return {};
  const { url, token, org, bucket } = influx;
  return { WEIR_INFLUX_URL: url, WEIR_INFLUX_TOKEN: token, WEIR_INFLUX_ORG: org, WEIR_INFLUX_BUCKET: bucket };
}

/** Random moments in the middle nine tenths of the recording, in order. */
function planKills({ killGateway = 0, killNats = 0 }: VerifyOptions, rows: number, seed: number): Kill[] {
  const random = createRandom(seed);
  const kill = (what: Kill["what"]): Kill => ({ what, afterRows: Math.floor(rows * (0.05 + 0.9 * random.next())) });
  return [
    ...Array.from({ length: killGateway }, () => kill("gateway")),
    ...Array.from({ length: killNats }, () => kill("nats")),
  ].sort((a, b) => a.afterRows - b.afterRows);
}

async function playWithKills(
  gateway: GatewayProcess,
  replay: ReplayService,
  plan: readonly Kill[],
  say: (text: string) => void,
): Promise<{ gateway: number; nats: number }> {
  const kills = { gateway: 0, nats: 0 };
  let ended = false;
  const end = replay.done.finally(() => {
    ended = true;
  });
  const waiting = [...plan];
  while (!ended) {
    if (!gateway.running) throw new Error(`the gateway exited unexpectedly; see ${gateway.logFile}`);
    const [next] = waiting;
    if (next !== undefined && replay.report().acknowledged >= next.afterRows) {
      waiting.shift();
      const killedMs = performance.now();
      say(`killing ${next.what} after ${replay.report().acknowledged} rows`);
      if (next.what === "nats") kills.nats += (await gateway.killNats(START_MS_MAX)) ? 1 : 0;
      else {
        await gateway.kill();
        await gateway.start();
        kills.gateway += 1;
      }
      await gateway.ready(START_MS_MAX);
      say(`ready again after ${((performance.now() - killedMs) / 1000).toFixed(1)} s`);
    }
    await Promise.race([end, sleep(POLL_MS)]);
  }
  return kills;
}

/** Waits until nothing is pending and nothing changes. Returns how long that took. */
async function settled(gateway: GatewayProcess, msMax: number): Promise<number> {
  const beganMs = performance.now();
  let movedMs = beganMs;
  let before = "";
  let now = before;
  while (performance.now() - beganMs < msMax) {
    const metrics = await gateway.metrics();
    const lag = metrics?.get("weir_storage_lag_messages") ?? Number.NaN;
    now = JSON.stringify([...(metrics ?? [])].filter(([name]) => MOVING.test(name)));
    // Ticks are log entries too, so a few may always be in flight.
    const still = metrics !== undefined && now === before && lag <= LAG_MAX;
    if (!still) movedMs = performance.now();
    else if (performance.now() - movedMs >= STILL_MS) return movedMs - beganMs;
    before = now;
    await sleep(LOOK_MS);
  }
  throw new Error(`the gateway had not settled after ${msMax} ms: ${now}`);
}

const LAG_MAX = 32;
const MOVING = /^weir_(storage_points_total|processor_(readings|windows|alerts)_total)$/;

async function compareStore(
  oracle: DuckDBConnection,
  dataDir: string,
  influx: InfluxAccess | undefined,
): Promise<Check[]> {
  if (influx === undefined) await attachDuckdb(oracle, dataDir);
  else await loadInflux(oracle, influx);
  return compare(oracle);
}

/** Without these conditions, equality would prove nothing. */
function runChecks(run: {
  readonly rows: number;
  readonly replayed: ReplayReport;
  readonly plan: readonly Kill[];
  readonly kills: { readonly gateway: number; readonly nats: number };
  readonly gatewayEnd: string;
  readonly leftovers: number;
}): Check[] {
  const check = (what: string, expected: number, got: number): Check => {
    return { what, expected, got, equal: expected === got, examples: [] };
  };
  return [
    check("rows acknowledged", run.rows, run.replayed.acknowledged),
    check("kills", run.plan.length, run.kills.gateway + run.kills.nats),
    check(`graceful end (${run.gatewayEnd})`, 1, run.gatewayEnd === "code 0" ? 1 : 0),
    check("NATS servers left behind", 0, run.leftovers),
  ];
}

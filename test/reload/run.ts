import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { pino } from "pino";
import { connectJetStreamLog } from "../../platform/log/jetstream.ts";
import type { Log } from "../../platform/log/port.ts";
import { launchNatsServer } from "../../platform/nats-server/launch.ts";
import { nowUs } from "../crash/now.ts";
import { GatewayProcess } from "../servers/gateway-process.ts";
import { Random } from "../simulation/random.ts";
import { Edits } from "./edits.ts";
import { type Footprint, footprint, growth } from "./footprint.ts";
import { GatewayLog } from "./gateway-log.ts";
import { type Reload, Reloading } from "./reloading.ts";
import { firstFiles } from "./rule-files.ts";
import { RuleSetsInLog } from "./rule-sets-in-log.ts";
import { SentReadings } from "./sent-reading.ts";
import { type Verification, verify } from "./verify.ts";
import { allProcessed, allResolved } from "./waits.ts";
import { Writer } from "./writer.ts";

export interface ReloadOptions {
  readonly reloads: number;
  /** Readings per second. */
  readonly rate: number;
  readonly devices: number;
  /** Rules of the large file. */
  readonly manyRules: number;
  /** Rules over several devices have this lateness: longer than the machine may stand still. */
  readonly siteLatenessMs: number;
  readonly seed: number;
  readonly partitions: number;
  /** Readings flow for this long before the first edit: the acknowledgement times without edits. */
  readonly quietMs: number;
  /** How often the gateway's footprint is measured; the first and the last are compared. */
  readonly footprints: number;
  /** The built tree: the gateway, its probe and the devices run from there. */
  readonly distDir: string;
  readonly say: (text: string) => void;
  /** Ends the run, with everything that it started. */
  readonly signal?: AbortSignal;
}

export interface ReloadReport extends Verification {
  readonly reloads: readonly Reload[];
  readonly seconds: number;
  readonly refusals: number;
  readonly footprints: readonly Footprint[];
}

const GATEWAY_MS_MAX = 60_000;
/** The first reloads fill what one keeps for the next... */
const SETTLED_SHARE = 0.4;
/** ...and readings fill what is kept for a while. A shorter run has nothing better than its first footprint. */
const FILLED_MS = 120_000;
const SAY_EVERY = 20;

/** Edits the rules of a gateway under load again and again, and compares its results with what they must be. */
export async function reload(options: ReloadOptions): Promise<ReloadReport> {
  const undo: (() => Promise<unknown>)[] = [];
  const { signal } = options;
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener("abort", () => reject(new Error("ended before its time")));
  });
  try {
    return await Promise.race([reloadIn(options, undo), aborted]);
  } finally {
    // Whatever fails, no server and no gateway may be left behind.
    const ends = undo.reverse().reduce((before, step) => before.then(step, () => step()), Promise.resolve<unknown>(0));
    await ends;
  }
}

async function reloadIn(options: ReloadOptions, undo: (() => Promise<unknown>)[]): Promise<ReloadReport> {
  const { reloads, partitions, quietMs, say } = options;
  const random = new Random(options.seed);
  const folder = await mkdtemp(join(tmpdir(), "weir-reload-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const rulesDir = join(folder, "rules");
  await mkdir(rulesDir);
  const { log, gateway, probeFile, startGateway } = await prepare(options, folder, undo);
  const gatewayLog = new GatewayLog(gateway);
  const untilRefused = () => gatewayLog.untilRefused();
  const writer = new Writer({ folder: rulesDir, random, nowUs, untilRefused });
  const files = firstFiles(options);
  await writer.writeAll(files);
  await startGateway();
  const ruleSets = new RuleSetsInLog(partitions);
  ruleSets.start(log);
  undo.push(() => ruleSets.stop());
  const reloading = new Reloading({ files, edits: new Edits(random), writer, ruleSets, random });
  await reloading.begin();

  const devices = await startDevices(options, gateway.info.mqttPort, folder, undo);
  const startedMs = performance.now();
  await sleep(quietMs);
  const footprints: Footprint[] = [];
  let filledFrom: number | undefined;
  const settledAt = Math.max(1, Math.round(reloads * SETTLED_SHARE));
  const marks = Array.from({ length: options.footprints }, (_, i) =>
    Math.round(settledAt + ((reloads - settledAt) * i) / (options.footprints - 1)),
  );
  for (let i = 1; i <= reloads; i++) {
    await reloading.once();
    if (i % SAY_EVERY === 0) say(`reload ${i} of ${reloads}`);
    if (!marks.includes(i)) continue;
    if (i < reloads && performance.now() - startedMs >= FILLED_MS) filledFrom ??= footprints.length;
    footprints.push(await footprint(gateway.info.pid, probeFile, i));
  }
  await reloading.cool();
  await allResolved(log, options.devices);
  const sent = await devices.end();
  say(`${sent.count} readings sent; waiting for their results`);
  await allProcessed(log, partitions);
  const seconds = (performance.now() - startedMs) / 1000;
  const ending = await gateway.stop(GATEWAY_MS_MAX);
  say("comparing");
  const verification = await verify(log, { ...options, sent, reloading });
  const { refused, mended, troubles } = await gatewayLog.counts();
  const differences = [...verification.differences, ...troubles.map((line) => `the gateway said: ${line}`)];
  if (ending !== "code 0") differences.push(`the gateway ended with ${ending}`);
  const broken = reloading.reloads.filter(({ way }) => way === "broken first").length;
  // While the machine stood still, the gateway may have read half a file as well.
  const isExact = reloading.reloads.every(({ isExact }) => isExact);
  if (isExact ? refused !== broken : refused < broken)
    differences.push(`${broken} times broken files, ${refused} times refused`);
  if (mended !== refused) differences.push(`${refused} times refused, ${mended} times in order again`);
  const [first, last] = [footprints[filledFrom ?? 0], footprints.at(-1)];
  if (first && last) differences.push(...growth(first, last));
  return { ...verification, differences, reloads: reloading.reloads, seconds, refusals: refused, footprints };
}

async function prepare(options: ReloadOptions, folder: string, undo: (() => Promise<unknown>)[]) {
  const { partitions, distDir } = options;
  const logger = pino({ level: "silent" });
  const nats = await launchNatsServer({ dataDir: join(folder, "nats"), logger });
  undo.push(() => nats.stop());
  const keep = { maxAgeMs: 86_400_000, maxBytes: 4_096 * 1_048_576 };
  const log: Log = await connectJetStreamLog({
    servers: nats.url,
    token: nats.token,
    name: "reload-test",
    partitions,
    retention: { readings: keep, windows: keep, alerts: keep, deadLetters: keep },
    logger,
  });
  undo.push(() => log.close());
  const configFile = join(folder, "weir.yaml");
  // What the feed keeps for pages is full early, so that it does not look like a leak.
  const history = { windows_max: 2_000, incidents_max: 200, alert_changes_max: 500 };
  await writeFile(configFile, JSON.stringify({ partitions, processors: { checkpoint: "1s" }, feed: { history } }));
  const dataDir = join(folder, "gateway");
  await mkdir(dataDir);
  const probeFile = join(folder, "probe.ndjson");
  const probe = pathToFileURL(join(distDir, "test", "reload", "probe.js")).href;
  const gateway = new GatewayProcess({
    command: [process.execPath, "--import", probe, join(distDir, "gateway", "main.js")],
    dataDir,
    rulesDir: join(folder, "rules"),
    env: { WEIR_NATS_URL: nats.url, WEIR_NATS_TOKEN: nats.token, RELOAD_PROBE_FILE: probeFile },
    flags: ["--config", configFile],
    startMsMax: GATEWAY_MS_MAX,
  });
  undo.push(() => gateway.stop(GATEWAY_MS_MAX));
  return { log, gateway, probeFile, startGateway: () => gateway.start() };
}

async function startDevices(
  options: ReloadOptions,
  port: number,
  folder: string,
  undo: (() => Promise<unknown>)[],
): Promise<{ end(): Promise<SentReadings> }> {
  const file = join(folder, "sent.f64");
  const program = join(options.distDir, "test", "reload", "devices.js");
  const args = ["--port", port, "--rate", options.rate, "--devices", options.devices, "--file", file].map(String);
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  undo.push(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    void ended.then((code) => reject(new Error(`the devices ended with ${code}`)));
  });
  return {
    async end() {
      child.kill("SIGTERM");
      const code = await ended;
      if (code !== 0) throw new Error(`the devices ended with ${code}`);
      return await SentReadings.load(file);
    },
  };
}

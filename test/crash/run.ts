import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { connectJetStreamLog } from "../../platform/log/jetstream.ts";
import { launchNatsServer } from "../../platform/nats-server/launch.ts";
import { Random } from "../simulation/random.ts";
import { Recoveries, type Recovery } from "./recoveries.ts";
import { ruleFile } from "./rules.ts";
import { type Verification, verify } from "./verify.ts";
import { Victim } from "./victim.ts";

export interface CrashOptions {
  readonly kills: number;
  /** Readings per second. */
  readonly rate: number;
  readonly seed: number;
  /** The longest time until the next kill, in milliseconds. */
  readonly upMsMax: number;
  readonly partitions: number;
  /** Run with the settings that users have. Without it, states are frequent and frames small: kills split them. */
  readonly usualSettings?: boolean;
  /** The built tree: `weir` and the generator run from there. */
  readonly distDir: string;
  readonly sample: { readonly devices: number; readonly sites: number };
  /**
   * How long it runs after the last reading is processed: windows close without new readings, and silences are
   * noticed.
   */
  readonly afterMs: number;
  readonly say: (text: string) => void;
  /** Ends it, together with every process that it started. */
  readonly signal?: AbortSignal;
}

export interface CrashReport extends Verification {
  readonly kills: number;
  readonly killedBoth: number;
  readonly runSeconds: number;
  readonly sent: number;
  /** Of each kill, in their order. */
  readonly recoveries: readonly Recovery[];
}

interface Sent {
  readonly readings: number;
  readonly frames: number;
  readonly seconds: number;
}

const UP_MS_MIN = 200;
const DOWN_MS_MAX = 1_000;
const POLL_MS = 100;
const CATCH_UP_MS_MAX = 90_000;
const SAID_SHOWN = 3_000;

/**
 * Kills processors at random moments while the log keeps growing, and compares the log's final content with the
 * expected content.
 */
export async function crash(options: CrashOptions): Promise<CrashReport> {
  const undo: (() => Promise<unknown>)[] = [];
  const { signal } = options;
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener("abort", () => reject(new Error("the run was aborted")));
  });
  try {
    return await Promise.race([crashIn(options, undo), aborted]);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

async function crashIn(options: CrashOptions, undo: (() => Promise<unknown>)[]): Promise<CrashReport> {
  const { kills, rate, seed, upMsMax, partitions, say } = options;
  const random = new Random(seed);
  const { folder, log, victims, startGenerator } = await prepare(options, undo);
  const recoveries = new Recoveries(log, partitions);
  recoveries.start();
  undo.push(() => recoveries.stop());
  const generator = startGenerator();
  const [one, two] = victims;
  one.start();
  // Readings from before the rules are in force do not count.
  const untilMs = performance.now() + CATCH_UP_MS_MAX;
  while (!(await one.ready()) && performance.now() < untilMs) await sleep(POLL_MS);
  const startedMs = performance.now();
  let killedBoth = 0;
  for (let kill = 1; kill <= kills; kill++) {
    if (!one.alive || (!two.alive && random.chance(0.4))) (one.alive ? two : one).start();
    await sleep(random.whole(UP_MS_MIN, upMsMax));
    if (kill === Math.ceil(kills / 2)) await writeFile(join(folder, "rules", "crash.yaml"), ruleFile(true).text);
    const alive = victims.filter((victim) => victim.alive);
    const dying = random.chance(0.3) ? alive : [random.pick(alive)];
    if (dying.length > 1) killedBoth++;
    await Promise.all([recoveries.mark({ isKill: true }), ...dying.map((victim) => victim.kill())]);
    say(`kill ${kill} of ${kills}: ${dying.length} of ${alive.length} processes`);
    await sleep(random.whole(0, DOWN_MS_MAX));
    if (!victims.some((victim) => victim.alive)) random.pick(victims).start();
  }
  for (const victim of victims) victim.start();
  const sent = await generator.end();
  const perSecond = Math.round(sent.readings / sent.seconds);
  say(`${sent.readings} readings sent (${perSecond} a second of ${rate}); waiting for their results`);
  await settle(victims, recoveries, options);
  const runSeconds = (performance.now() - startedMs) / 1000;
  say("comparing");
  const verification = await verify(log, options, random);
  const differences = [...verification.differences];
  if (verification.readings !== sent.readings)
    differences.push(`${sent.readings} readings sent, ${verification.readings} in the log`);
  const { done } = recoveries;
  return { ...verification, differences, recoveries: done, kills, killedBoth, runSeconds, sent: sent.readings };
}

async function prepare(options: CrashOptions, undo: (() => Promise<unknown>)[]) {
  const { partitions, rate, seed, distDir, usualSettings = false } = options;
  const folder = await mkdtemp(join(tmpdir(), "weir-crash-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, "rules"));
  await writeFile(join(folder, "rules", "crash.yaml"), ruleFile(false).text);
  const configFile = join(folder, "weir.yaml");
  const processors = usualSettings ? {} : { checkpoint: "700ms", lease: "2s", results_per_frame_max: 60 };
  await writeFile(configFile, JSON.stringify({ partitions, processors }));
  const logger = pino({ level: "silent" });
  const nats = await launchNatsServer({ dataDir: join(folder, "nats"), logger });
  undo.push(() => nats.stop());
  const keep = { maxAgeMs: 86_400_000, maxBytes: 2_048 * 1_048_576 };
  const log = await connectJetStreamLog({
    servers: nats.url,
    token: nats.token,
    name: "crash-test",
    partitions,
    retention: { readings: keep, windows: keep, alerts: keep, deadLetters: keep },
    logger,
  });
  undo.push(() => log.close());
  const env = { WEIR_NATS_URL: nats.url, WEIR_NATS_TOKEN: nats.token, WEIR_RULES_DIR: join(folder, "rules") };
  const make = (name: string) => {
    const program = join(distDir, "gateway", "main.js");
    const victim = new Victim({ program, dataDir: join(folder, name), configFile, env });
    undo.push(() => victim.kill());
    return victim;
  };
  const victims = [make("one"), make("two")] as const;
  const program = join(distDir, "test", "crash", "generator.js");
  const args = ["--url", nats.url, "--seed", seed, "--rate", rate, "--partitions", partitions].map(String);
  return { folder, log, victims, startGenerator: () => startGenerator(program, args, nats.token, undo) };
}

function startGenerator(
  program: string,
  args: readonly string[],
  token: string,
  undo: (() => Promise<unknown>)[],
): { end(): Promise<Sent> } {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, CRASH_NATS_TOKEN: token },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (chunk) => {
    said += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  undo.push(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return {
    async end() {
      child.kill("SIGTERM");
      const code = await ended;
      if (code !== 0) throw new Error(`the generator ended with ${code}`);
      return JSON.parse(said);
    },
  };
}

/** Waits until all readings are processed, lets time pass for their results, and ends the processors. */
async function settle(victims: readonly Victim[], recoveries: Recoveries, options: CrashOptions): Promise<void> {
  const untilMs = performance.now() + CATCH_UP_MS_MAX;
  await recoveries.mark({ isKill: false });
  for (;;) {
    const ready = (await Promise.all(victims.map((victim) => victim.ready()))).every((each) => each);
    const failure = victims.find((victim) => victim.failure !== undefined)?.failure;
    if (failure !== undefined) throw new Error(failure);
    if (ready && recoveries.unrecovered === 0) break;
    if (performance.now() > untilMs) {
      const said = victims.map((victim) => victim.said.slice(-SAID_SHOWN)).join("\n");
      throw new Error(
        `not everything is processed after ${CATCH_UP_MS_MAX} ms; all processes ready: ${ready}\n${said}`,
      );
    }
    await sleep(POLL_MS);
  }
  await sleep(options.afterMs);
  for (const victim of victims) await victim.stop();
}

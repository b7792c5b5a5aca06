import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../simulation/random.ts";
import type { Cluster, Victim } from "./cluster/cluster.ts";
import { Crowd, type Part } from "./crowd.ts";
import { Oracle } from "./oracle/oracle.ts";
import { Recoveries } from "./recoveries.ts";

/** What a disturbance hits. */
export type Victims = "edge" | "log" | "both";

/** How often, relative to one another. */
const WEIGHTS: Readonly<Record<Victims, number>> = { edge: 12, log: 5, both: 3 };

export interface KillsOptions {
  readonly kills: number;
  readonly seed: number;
  /** Messages a second. */
  readonly rate: number;
  readonly publishers: number;
  readonly victims: readonly Victims[];
  /** Clients besides publishers and subscribers. */
  readonly parts: readonly Part[];
  /** Of the disturbances of an edge alone: this share asks it to end instead of killing it. */
  readonly stopShare: number;
  readonly say: (text: string) => void;
  readonly signal?: AbortSignal;
  /** How long nothing may come at the end, while something is missing. */
  readonly settleMsMax: number;
  /** Reads the log after everything has come. */
  readonly verifyLog?: (oracle: Oracle) => Promise<number>;
}

export interface KillsReport {
  /** Empty when everything is correct. */
  readonly differences: readonly string[];
  /** By what was disturbed: `edge`, `log`, `edge and log`, `edge (asked to end)`. */
  readonly disturbances: ReadonlyMap<string, number>;
  /** The longest time until an edge had ended that was asked to. */
  readonly endedMs: number;
  readonly runSeconds: number;
  readonly published: number;
  readonly acknowledged: number;
  readonly repeatedByPublishers: number;
  readonly receipts: number;
  readonly repeats: number;
  readonly retainedValues: number;
  readonly wills: number;
  readonly readings: number | undefined;
  /** From each disturbance until acknowledgements came again. */
  readonly recoveries: Pick<Recoveries, "tookMs" | "aloneMs">;
}

const UP_MS_MIN = 50;
const UP_MS_MAX = 1_500;
const DOWN_MS_MAX = 600;
/** This share of the disturbances need not wait until the one before is overcome. */
const EARLY_SHARE = 0.4;
const RECOVERY_MS_MAX = 10_000;
const START_MS_MAX = 60_000;
const POLL_MS = 50;
const SAY_MS = 5_000;
const ASKED = "edge (asked to end)";
/** After everything has come: what comes twice needs a moment to show. */
const AFTER_MS = 1_500;

/** Kills brokers and their log at random moments under load, and checks everything that their clients saw. */
export async function killBrokers(cluster: Cluster, options: KillsOptions): Promise<KillsReport> {
  const { kills, seed, rate, publishers, say, signal, settleMsMax } = options;
  const random = new Random(seed);
  let place = "before the first kill";
  const oracle = new Oracle(() => place);
  let lastDisturbanceMs = performance.now();
  const crowd = new Crowd({
    random: new Random(seed + 1),
    oracle,
    port: () => random.pick(cluster.edges).port,
    lastDisturbanceMs: () => lastDisturbanceMs,
    rate,
    publishers,
    parts: options.parts,
  });
  const disturbances = new Map<string, number>();
  let endedMs = 0;
  const recoveries = new Recoveries(() => oracle.deliveries.acknowledged);
  const startedMs = performance.now();
  try {
    await bounded(crowd.start(), START_MS_MAX, () => `the clients cannot subscribe:\n${cluster.said()}`);
    const beganMs = performance.now();
    say(`all subscribed after ${Math.round(beganMs - startedMs)} ms`);
    for (let kill = 1; kill <= kills; kill++) {
      if (!random.chance(EARLY_SHARE)) await recoveries.ended(RECOVERY_MS_MAX);
      await sleep(random.whole(UP_MS_MIN, UP_MS_MAX));
      signal?.throwIfAborted();
      const disturbance = choose(cluster, random, options);
      place = `after disturbance ${kill}, ${disturbance.name}`;
      lastDisturbanceMs = performance.now();
      const atMs = performance.now();
      const problems = await disturbance.act();
      if (disturbance.name === ASKED) endedMs = Math.max(endedMs, performance.now() - atMs);
      recoveries.begin(atMs);
      for (const problem of problems) oracle.differences.add("did not end when asked", problem);
      disturbances.set(disturbance.name, (disturbances.get(disturbance.name) ?? 0) + 1);
      await sleep(random.whole(0, DOWN_MS_MAX));
      for (const edge of cluster.edges) edge.start();
      lastDisturbanceMs = performance.now();
      if (kill % 10 === 0 || kill === kills) {
        const { acknowledged, receipts } = oracle.deliveries;
        say(`${kill} of ${kills}: ${acknowledged} acknowledged, ${receipts} received`);
      }
    }
    await sleep(random.whole(UP_MS_MIN, UP_MS_MAX));
    await crowd.finish();
    const finishedMs = performance.now();
    const settled = await settle(crowd, oracle, options);
    say(`everything came ${Math.round(performance.now() - finishedMs)} ms after the last message was sent`);
    if (!settled) say(`not everything came in ${settleMsMax} ms:\n${cluster.said()}`);
    if (crowd.inFlight > 0) oracle.differences.add("never acknowledged", `${crowd.inFlight} publishes`);
    await sleep(AFTER_MS);
    if (!(await crowd.checkRetainedNow())) oracle.differences.add("retained messages", "the last check broke off");
    crowd.leave();
    const readings = await options.verifyLog?.(oracle);
    for (const failure of cluster.failures()) oracle.differences.add("ended by itself", failure);
    const runSeconds = (performance.now() - startedMs) / 1000;
    return { ...reportOf(oracle, crowd), disturbances, endedMs, readings, runSeconds, recoveries };
  } finally {
    recoveries.stop();
    crowd.leave();
  }
}

function reportOf(oracle: Oracle, crowd: Crowd) {
  const { deliveries } = oracle;
  return {
    differences: oracle.finish(),
    published: crowd.published,
    acknowledged: deliveries.acknowledged,
    repeatedByPublishers: crowd.repeated,
    receipts: deliveries.receipts,
    repeats: deliveries.repeats,
    retainedValues: oracle.retained.checked,
    wills: oracle.wills.received,
  };
}

interface Disturbance {
  readonly name: string;
  act(): Promise<readonly string[]>;
}

function choose({ edges, log }: Cluster, random: Random, { victims, stopShare }: KillsOptions): Disturbance {
  const edge = random.pick(edges);
  const kill = (...killed: readonly Victim[]) => ({
    act: async () => {
      await Promise.all(killed.map((victim) => victim.kill()));
      return [];
    },
  });
  const kinds = victims.flatMap((kind) => Array<Victims>(WEIGHTS[kind]).fill(kind));
  switch (log === undefined ? "edge" : random.pick(kinds)) {
    case "log":
      return { name: "log", ...kill(...(log === undefined ? [] : [log])) };
    case "both":
      return { name: "edge and log", ...kill(edge, ...(log === undefined ? [] : [log])) };
    case "edge":
      if (!random.chance(stopShare)) return { name: "edge", ...kill(edge) };
      return { name: ASKED, act: async () => [(await edge.terminate()) ?? []].flat() };
  }
}

/** Waits until nothing is left to come, as long as something still comes. */
async function settle(crowd: Crowd, oracle: Oracle, { settleMsMax, say }: KillsOptions): Promise<boolean> {
  const left = () => crowd.inFlight + oracle.missing();
  let untilMs = performance.now() + settleMsMax;
  let saidMs = performance.now();
  let least = left();
  for (let now = least; now > 0; now = left()) {
    const nowMs = performance.now();
    if (now < least) {
      least = now;
      untilMs = nowMs + settleMsMax;
    }
    if (nowMs > untilMs) return false;
    if (nowMs - saidMs > SAY_MS) {
      saidMs = nowMs;
      say(`still waiting for ${crowd.inFlight} acknowledgements and ${oracle.missing()} messages and wills`);
      say(`    such as ${oracle.deliveries.firstMissing() ?? oracle.wills.missing()[0] ?? "none"}`);
    }
    await sleep(POLL_MS);
  }
  return true;
}

async function bounded(work: Promise<void>, msMax: number, what: () => string): Promise<void> {
  const timer = new AbortController();
  const late = sleep(msMax, undefined, { signal: timer.signal }).then(() => Promise.reject(new Error(what())));
  try {
    await Promise.race([work, late]);
  } finally {
    timer.abort();
    late.catch(() => {});
  }
}

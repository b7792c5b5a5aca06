import { encodeGone, FrameWriter } from "../../domain/frame-writer.ts";
import { partitionOf } from "../../domain/partition.ts";
import { kindOf, type Series, seriesKey } from "../../domain/reading.ts";
import { readingsSubject } from "../../domain/subjects.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log } from "../../platform/log/port.ts";
import type { WantedRules } from "../../processors/partition-runner.ts";
import { versionOf } from "../../rule-language/files/load-rules.ts";
import { alertsOf, Consumer, windowsOf } from "./consumer.ts";
import { FaultCounts } from "./fault-counts.ts";
import { Connection, FragileStores, type Servers } from "./faulty-log.ts";
import { firstDifference } from "./oracle/compare.ts";
import { Processor } from "./processor.ts";
import type { Fault, Scenario } from "./scenario.ts";
import { entriesOf, forwardedOf, type LoggedEntry, oracleOf, receivedOf } from "./task-logs.ts";
import { BEGIN_US, type Departure, PARTITIONS, PROCESSORS, type Production } from "./vocabulary.ts";
import { World, withTimersOf } from "./world.ts";

const RELOAD_US = 1_000_000;
const HEAL_US = 20_000_000;
const STOP_US_MAX = 60_000_000;
/** Entries stored while the processors stop need another life to process them. */
const ROUNDS_MAX = 3;
const TASKS = 2 * PARTITIONS;

export interface Outcome {
  /** The first difference between the consumers' rows and the rows that follow from the log. */
  readonly difference: string | undefined;
  /** The task with the difference. */
  readonly task: number;
  readonly log: Log;
  readonly counts: FaultCounts;
  readonly figures: {
    readonly entries: number;
    readonly windows: number;
    readonly alerts: number;
    readonly events: number;
  };
}

/** A corruption of the rows that the comparison must detect. */
export type Harm = "lost" | "doubled" | "changed";

/** Runs a scenario, then compares the consumers' rows with the oracle's fold of the log. */
export async function simulate(scenario: Scenario, harm?: Harm): Promise<Outcome> {
  const world = new World(scenario.seed, BEGIN_US);
  return withTimersOf(world, () => new Simulation(world, scenario).run(harm));
}

class Simulation {
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #servers: Servers;
  readonly #processors: (Processor | undefined)[] = [];
  #started = 0;
  readonly #consumers;
  /** The rules in each processor's folder. */
  readonly #folders: WantedRules[];

  constructor(world: World, scenario: Scenario) {
    this.#world = world;
    this.#scenario = scenario;
    const log = createMemoryLog({ nowUs: () => world.nowUs });
    const counts = new FaultCounts();
    this.#servers = {
      log,
      stores: new FragileStores(),
      counts,
      outageUntilUs: 0,
      ended: new Set(),
      faulty: scenario.slow,
    };
    const rules = { specs: scenario.rules, version: versionOf(scenario.rules) };
    this.#folders = Array.from({ length: PROCESSORS }, () => rules);
    this.#consumers = {
      windows: new Consumer(world, this.#servers, { stream: "WINDOWS", decode: windowsOf }),
      alerts: new Consumer(world, this.#servers, { stream: "ALERTS", decode: alertsOf }),
    };
  }

  async run(harm: Harm | undefined): Promise<Outcome> {
    const { edits, faults, production, departures, endUs } = this.#scenario;
    const world = this.#world;
    this.#consumers.windows.start();
    this.#consumers.alerts.start();
    for (let i = 0; i < PROCESSORS; i++) world.after(world.random.whole(0, 2_000_000), () => this.#startProcessor(i));
    this.#produce(production, departures);
    for (const { atUs, what, specs } of edits)
      world.at(atUs, () => this.#edit(what, { specs, version: versionOf(specs) }));
    for (const fault of faults) world.at(fault.atUs, () => this.#inject(fault));
    await world.pass(endUs);
    await this.#heal();
    for (let round = 1; ; round++) {
      await this.#stopAll();
      if (harm !== undefined) this.#consumers.windows.harm(harm);
      const found = await this.#compare();
      if (found.difference === undefined || round === ROUNDS_MAX) return { ...found, ...(await this.#figures()) };
      this.#startProcessor(0);
      await world.pass(world.nowUs + HEAL_US);
    }
  }

  #produce(production: readonly Production[], departures: readonly Departure[]): void {
    const edge = new Connection(this.#world, this.#servers);
    for (const { atUs, devices } of departures) {
      this.#world.at(atUs, () => {
        const subject = readingsSubject(partitionOf(devices[0]?.device ?? "", PARTITIONS));
        void edge.log.append({ subject, payload: encodeGone(devices) });
      });
    }
    const writer = new FrameWriter();
    const known = new Map<string, Series>();
    for (const { atUs, readings } of production) {
      this.#world.at(atUs, () => {
        const [first] = readings;
        if (first === undefined) return;
        for (const reading of readings) {
          const series = { ...reading, kind: kindOf(reading.value) };
          const key = seriesKey(series);
          if (!known.has(key)) known.set(key, series);
          writer.add(known.get(key) ?? series, reading.atUs, reading.value);
        }
        const subject = readingsSubject(partitionOf(first.device, PARTITIONS));
        void edge.log.append({ subject, payload: writer.finish(atUs) });
      });
    }
  }

  #startProcessor(i: number): void {
    if (this.#processors[i] !== undefined) return;
    const processor = new Processor(this.#world, this.#servers, {
      id: this.#started++,
      // In every other world, the processors run on one machine and see when one ends.
      seesOthers: this.#scenario.seed % 2 === 0,
      rules: () => this.#folders[i] as WantedRules,
    });
    this.#processors[i] = processor;
    processor.start();
    const offer = () => {
      if (this.#processors[i] !== processor) return;
      processor.offerRules();
      this.#world.after(RELOAD_US, offer);
    };
    this.#world.after(RELOAD_US, offer);
  }

  /** Each processor sees the edit the next time it reads its folder. */
  #edit(what: string, rules: WantedRules): void {
    this.#servers.counts.add(`rule edit: ${what}`);
    for (let i = 0; i < PROCESSORS; i++) {
      this.#world.after(this.#world.random.whole(0, RELOAD_US), () => {
        this.#folders[i] = rules;
        this.#processors[i]?.offerRules();
      });
    }
  }

  #inject(fault: Fault): void {
    const world = this.#world;
    const { counts } = this.#servers;
    if (fault.kind === "outage") {
      counts.add("log outage");
      this.#servers.outageUntilUs = Math.max(this.#servers.outageUntilUs, world.nowUs + fault.forUs);
    } else if (fault.kind === "harm") {
      if (this.#servers.stores.harm(world, fault.what)) counts.add(`checkpoint ${fault.what}`);
    } else if (fault.kind === "consumer-dies") {
      counts.add("consumer killed");
      const { windows, alerts } = this.#consumers;
      if (fault.consumer === 0) windows.dies();
      else alerts.dies();
    } else if (fault.kind === "second-runner") {
      const processor = this.#processors.find((each) => each !== undefined);
      if (processor === undefined) return;
      counts.add("second runner of a task");
      void processor.runWithoutLease(fault.task, fault.forUs);
    } else this.#injectProcessor(fault);
  }

  #injectProcessor(fault: Extract<Fault, { readonly kind: "kill" | "pause" | "restart" }>): void {
    const { counts } = this.#servers;
    const processor = this.#processors[fault.processor];
    if (processor === undefined) return;
    if (fault.kind === "pause") {
      counts.add("processor paused");
      processor.connection.pausedUntilUs = this.#world.nowUs + fault.forUs;
      return;
    }
    const back = () => void this.#world.after(fault.backAfterUs, () => this.#startProcessor(fault.processor));
    if (fault.kind === "kill") {
      const { how, takesEffect, afterOperations } = fault;
      const onDeath = () => {
        counts.add(how === "silent" ? "processor killed" : "processor ended by failing operations");
        if (this.#processors[fault.processor] === processor) this.#processors[fault.processor] = undefined;
        back();
      };
      processor.connection.dieAt({ how, takesEffect, afterOperations, onDeath });
    } else {
      this.#processors[fault.processor] = undefined;
      counts.add("processor stopped and started");
      void processor.stop().then(back);
    }
  }

  async #heal(): Promise<void> {
    const world = this.#world;
    this.#servers.faulty = false;
    this.#servers.outageUntilUs = 0;
    for (const processor of this.#processors) processor?.connection.heal();
    await world.pass(world.nowUs + HEAL_US);
  }

  async #stopAll(): Promise<void> {
    for (const [i, processor] of this.#processors.entries()) {
      if (processor === undefined) continue;
      this.#processors[i] = undefined;
      let stopped = false;
      void processor.stop().then(() => {
        stopped = true;
      });
      const world = this.#world;
      await world.pass(world.nowUs + STOP_US_MAX, () => stopped);
      if (!stopped) throw new Error(`a processor did not stop within ${STOP_US_MAX / 1e6} s`);
    }
    await this.#world.pass(this.#world.nowUs + 2_000_000);
  }

  async #compare(): Promise<Pick<Outcome, "difference" | "task">> {
    const { log } = this.#servers;
    const { windows, alerts } = this.#consumers;
    const logs = await Promise.all(Array.from({ length: TASKS }, (_, task) => entriesOf(log, task)));
    for (const [task, entries] of logs.entries()) {
      const oracle = oracleOf(task);
      for (const { entry } of entries) oracle.apply(entry);
      const ofTask = <T>(rows: readonly { readonly task: number; readonly item: T }[]) =>
        rows.filter((row) => row.task === task).map(({ item }) => item);
      const held = { windows: ofTask(windows.rows), alerts: ofTask(alerts.rows) };
      const difference = firstDifference(held, oracle.outputs());
      if (difference !== undefined) return { difference: `task ${task}: ${difference}`, task };
    }
    return { difference: forwardedWrongly(logs), task: 0 };
  }

  async #figures(): Promise<Pick<Outcome, "log" | "counts" | "figures">> {
    const { log, counts } = this.#servers;
    const { windows, alerts } = this.#consumers;
    const entries = (await log.bounds("READINGS")).messages + (await log.bounds("GROUPS")).messages;
    return {
      log,
      counts,
      figures: { entries, windows: windows.rows.length, alerts: alerts.rows.length, events: this.#world.events },
    };
  }
}

/** The first reading that was forwarded incorrectly from a partition's log to a share's. */
function forwardedWrongly(logs: readonly (readonly LoggedEntry[])[]): string | undefined {
  for (let share = 0; share < PARTITIONS; share++) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const expected = forwardedOf(logs[partition] ?? [], share);
      const actual = receivedOf(logs[PARTITIONS + share] ?? [], share, partition);
      for (let i = 0; i < Math.max(expected.length, actual.length); i++) {
        if (expected[i] === actual[i]) continue;
        return `forwarded from ${partition} to ${share}, ${i}: ${actual[i]} instead of ${expected[i]}`;
      }
    }
  }
  return undefined;
}

import pino from "pino";
import { ConflictError } from "../../platform/log/port.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { createProcessorEvents } from "../../processors/events.ts";
import { type Lease, leasedLog } from "../../processors/ownership/lease.ts";
import { Ownership } from "../../processors/ownership/ownership.ts";
import { PartitionRunner, type WantedRules } from "../../processors/partition-runner.ts";
import { Connection, type Servers } from "./faulty-log.ts";
import { PARTITIONS } from "./vocabulary.ts";
import type { World } from "./world.ts";

const LEASE_MS = 8_000;
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 3_000;
const CONFIG = {
  rules_dir: "",
  tick: 1_000_000,
  checkpoint: 3_000_000,
  lease: LEASE_MS * 1_000,
  results_per_frame_max: 7,
};

const silent = pino({ level: "silent" });

interface ProcessorOptions {
  /** Of its process. */
  readonly id: number;
  readonly seesOthers: boolean;
  readonly rules: () => WantedRules;
}

/** One life of a processor process: the tasks that it owns, each with a real runner. */
export class Processor {
  readonly connection: Connection;
  readonly #world: World;
  readonly #servers: Servers;
  readonly #rules: () => WantedRules;
  readonly #ownership: Ownership;
  readonly #events = createProcessorEvents(silent, createMetrics());
  readonly #lives = new Set<TaskLife>();

  constructor(world: World, servers: Servers, { id, seesOthers, rules }: ProcessorOptions) {
    this.#world = world;
    this.#servers = servers;
    this.#rules = rules;
    this.connection = new Connection(world, servers, id);
    const space = { tasks: 2 * PARTITIONS, perKind: PARTITIONS };
    this.#ownership = new Ownership({
      log: this.connection.log,
      space,
      leaseMs: LEASE_MS,
      time: { nowMs: () => world.nowUs / 1000, after: (ms, call) => this.#later(ms, call) },
      processes: {
        self: seesOthers ? `${id}` : undefined,
        hasEnded: (process) => servers.ended.has(Number(process)),
      },
      random: () => world.random.next(),
      events: this.#events,
      onLook: () => {},
      begin: (task, lease) => this.#begin(task, lease),
    });
  }

  start(): void {
    void this.#ownership.start();
  }

  /** Stops gracefully, after everything is published and saved. */
  async stop(): Promise<void> {
    await this.#ownership.stop();
  }

  offerRules(): void {
    for (const life of this.#lives) life.offerRules();
  }

  /** Runs a task without asking the other processors. */
  async runWithoutLease(task: number, forUs: number): Promise<void> {
    const life = this.#begin(task, { isOpen: () => true, reopened: async () => {} });
    await this.#world.sleepUntil(this.#world.nowUs + forUs);
    await life.stop();
  }

  #begin(task: number, lease: Lease): TaskLife {
    const life = new TaskLife({
      later: (ms, call) => this.#later(ms, call),
      look: () => this.#ownership.look(),
      onConflict: () => this.#servers.counts.add("second runner stopped by a conflict"),
      newRunner: () =>
        new PartitionRunner({
          task,
          partitions: PARTITIONS,
          config: CONFIG,
          log: leasedLog(this.connection.log, lease),
          clock: { nowUs: () => this.#world.nowUs },
          events: this.#events,
          rules: this.#rules,
        }),
      onEnd: () => this.#lives.delete(life),
    });
    this.#lives.add(life);
    life.start();
    return life;
  }

  /** A timer of the process. It waits while the process is paused, and dies with it. */
  #later(ms: number, call: () => void): () => void {
    let cancel = this.#world.after(ms * 1000, () => {
      const { alive, pausedUntilUs } = this.connection;
      if (!alive) return;
      if (pausedUntilUs > this.#world.nowUs) cancel = this.#world.at(pausedUntilUs, call);
      else call();
    });
    return () => cancel();
  }
}

interface TaskLifeOptions {
  readonly newRunner: () => PartitionRunner;
  readonly later: (ms: number, call: () => void) => () => void;
  readonly look: () => Promise<void>;
  readonly onConflict: () => void;
  readonly onEnd: () => void;
}

/** Runs a task with successive runners, each of which starts from the checkpoint. */
class TaskLife {
  readonly #options: TaskLifeOptions;
  #runner: PartitionRunner | undefined;
  #stopped = false;
  ready = false;
  #wake = () => {};
  #ended: Promise<void> = Promise.resolve();

  constructor(options: TaskLifeOptions) {
    this.#options = options;
  }

  start(): void {
    this.#ended = this.#live();
  }

  offerRules(): void {
    this.#runner?.offerRules().catch(() => {});
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#runner?.stop();
    await this.#ended;
    this.#options.onEnd();
  }

  async #live(): Promise<void> {
    const { newRunner, look, later, onConflict } = this.#options;
    for (let retryMs = RETRY_MS_MIN; !this.#stopped; retryMs = Math.min(2 * retryMs, RETRY_MS_MAX)) {
      this.#runner = newRunner();
      try {
        await this.#runner.run(() => {
          retryMs = RETRY_MS_MIN;
          this.ready = true;
          void look();
        });
      } catch (error) {
        this.ready = false;
        if (error instanceof ConflictError) {
          onConflict();
          await look();
        }
        if (this.#stopped) return;
        await new Promise<void>((resolve) => {
          const cancel = later(retryMs, resolve);
          this.#wake = () => {
            cancel();
            resolve();
          };
        });
      }
    }
  }
}

import { basename } from "node:path";
import { Backoff, type BackoffLimits } from "../domain/backoff.ts";
import type { Series } from "../domain/reading.ts";
import { US_PER_MS } from "../domain/time.ts";
import { BadFileError, type FileProblem } from "../platform/files/yaml-file.ts";
import { ConflictError, type Log } from "../platform/log/port.ts";
import { systemProcesses } from "../platform/processes.ts";
import type { Deps, Health, Service } from "../platform/service.ts";
import { type FollowedRules, followRules } from "../rule-language/files/follow-rules.ts";
import type { RuleSpec } from "../rule-language/spec/rule-spec.ts";
import { respondExplanations } from "../rule-tools/explain/responder.ts";
import { hasCheckpoint } from "./checkpoints.ts";
import type { ProcessorsConfig } from "./config.ts";
import { createProcessorEvents, type ProcessorEvents } from "./events.ts";
import { type Lease, leasedLog } from "./ownership/lease.ts";
import { Ownership, type Work } from "./ownership/ownership.ts";
import { processTime } from "./ownership/process-time.ts";
import { PartitionRunner, type WantedRules } from "./partition-runner.ts";
import { respondRuleFiles, watchMismatches } from "./rule-files.ts";

/** Partitions first, then as many shares of the groups over several devices. */
const TASKS_PER_PARTITION = 2;
const RETRY: BackoffLimits = { firstMs: 400, maxMs: 15_000 };

type ProcessorsDeps = Deps & {
  readonly partitions: number;
  /**
   * Names this processor: the same after a restart, different for each that runs. The tasks of its past life are then
   * taken over at once. Without a name it waits until the past life's lease expires.
   */
  readonly member?: string;
};

/**
 * Runs the deterministic step over the partitions, which it shares with the other processors of the log. Resolves
 * when every partition has an owner, its own partitions have caught up with the log, and the rules are in force.
 * While the rule files have problems, the previous rules stay in force, also across a restart; without previous
 * rules, it rejects with BadFileError.
 */
export async function startProcessors(config: ProcessorsConfig, deps: ProcessorsDeps): Promise<Service> {
  const processors = new Processors(config, deps);
  await processors.start();
  return {
    name: "processors",
    health: () => processors.health(),
    stop: () => processors.stop(),
  };
}

class Processors {
  readonly #config: ProcessorsConfig;
  readonly #deps: ProcessorsDeps;
  readonly #events: ProcessorEvents;
  readonly #ownership: Ownership;
  /** The work on the tasks that this processor owns. */
  readonly #lives = new Set<TaskLife>();
  #rules: FollowedRules | undefined;
  #isReady = () => {};
  #lookForMismatches: ReturnType<typeof watchMismatches> = () => {};
  readonly #stops: (() => void)[] = [];

  constructor(config: ProcessorsConfig, deps: ProcessorsDeps) {
    const { log, partitions, member } = deps;
    this.#config = config;
    this.#deps = deps;
    this.#events = createProcessorEvents(deps.logger, deps.metrics);
    this.#ownership = new Ownership({
      log,
      space: { tasks: partitions * TASKS_PER_PARTITION, perKind: partitions },
      leaseMs: config.lease / US_PER_MS,
      ...(member === undefined ? {} : { name: member }),
      time: processTime,
      processes: systemProcesses(),
      random: Math.random,
      events: this.#events,
      onLook: () => this.#check(),
      begin: (task, lease) => this.#begin(task, lease),
    });
  }

  async start(): Promise<void> {
    const { log, partitions, clock } = this.#deps;
    this.#rules = await this.#followRules();
    this.#stops.push(respondRuleFiles(log.bus, this.#rules, () => this.#found()));
    this.#lookForMismatches = watchMismatches(this.#rules, this.#events.rulesMismatched);
    const ready = new Promise<void>((resolve) => {
      this.#isReady = resolve;
    });
    await this.#ownership.start();
    await ready;
    const rules = () => this.#rulesInForce();
    this.#stops.push(respondExplanations({ log, partitions, rules, nowUs: clock.nowUs }));
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    this.#rules?.stop();
    await this.#ownership.stop();
  }

  health(): Health {
    const { owned, unowned } = this.#ownership;
    if (!this.#ownership.leaseOpen)
      return { ready: false, detail: "cannot agree on the owners of tasks through the log" };
    const waiting = [...this.#lives].filter((life) => !life.ready).length;
    const problems = [
      ...(unowned > 0 ? [`${unowned} tasks have no processor yet`] : []),
      ...(waiting > 0 ? [`${waiting} tasks are catching up`] : []),
    ];
    return {
      ready: problems.length === 0,
      detail: [`owns ${owned} tasks`, ...problems].join(", "),
      ...noticeOf(this.#rules?.problems() ?? [], [...this.#quarantined().keys()]),
    };
  }

  async #followRules(): Promise<FollowedRules> {
    const { log, partitions } = this.#deps;
    const rules = await followRules({
      rulesDir: this.#config.rules_dir,
      payloadBytesMax: log.payloadBytesMax,
      events: this.#events,
      onPoll: () => {
        for (const life of this.#lives) life.offerRules();
        this.#lookForMismatches(this.#found());
      },
    });
    if (rules.wanted() !== undefined || (await hadRules(log, partitions))) return rules;
    rules.stop();
    throw new BadFileError(rules.problems());
  }

  #begin(task: number, lease: Lease): Work {
    const life = new TaskLife({
      ...{ task, lease, config: this.#config, deps: this.#deps, events: this.#events },
      rules: () => this.#rules?.wanted(),
      look: () => this.#ownership.look(),
      onReady: () => {
        this.#check();
        // It may be given away now.
        void this.#ownership.look();
      },
    });
    this.#lives.add(life);
    life.start();
    return {
      get ready() {
        return life.ready;
      },
      stop: async () => {
        await life.stop();
        this.#lives.delete(life);
        this.#events.workEnded(task);
      },
    };
  }

  #check(): void {
    if (this.health().ready) this.#isReady();
  }

  #quarantined(): ReadonlyMap<string, string> {
    return new Map([...this.#lives].flatMap(({ found }) => [...(found?.quarantined ?? [])]));
  }

  /** What the tasks of this process have found out about the rules. */
  #found() {
    const otherKinds = new Map<string, readonly Series[]>();
    for (const { found } of this.#lives) {
      for (const [rule, series] of found?.otherKinds ?? [])
        otherKinds.set(rule, [...(otherKinds.get(rule) ?? []), ...series]);
    }
    const blends = new Map([...this.#lives].flatMap(({ found }) => [...(found?.blends ?? [])]));
    return { blends, otherKinds, quarantined: this.#quarantined() };
  }

  #rulesInForce(): { readonly specs: readonly RuleSpec[] } {
    const running = [...this.#lives].map(({ specs }) => specs).find(({ length }) => length > 0);
    return this.#rules?.wanted() ?? { specs: running ?? [] };
  }
}

/** Names the place, not the text there: anyone may ask for the health of a service. */
function noticeOf([first, ...more]: readonly FileProblem[], quarantined: readonly string[]): Pick<Health, "notice"> {
  if (first === undefined) return quarantineNotice(quarantined);
  const others = more.length === 0 ? "" : ` and ${more.length} more`;
  const where = `${basename(first.file)}:${first.line}${others}`;
  const notice = `The rule files have problems (${where}): the previous rules stay in force. weir rules check says what is wrong.`;
  return { notice };
}

function quarantineNotice([first, ...more]: readonly string[]): Pick<Health, "notice"> {
  if (first === undefined) return {};
  const others = more.length === 0 ? "" : ` and ${more.length} more`;
  return { notice: `Rule ${first}${others} failed and is skipped until it is edited. The page's rules say why.` };
}

/** Whether rules were in force here earlier: each task that reads a partition saves them with its state. */
async function hadRules(log: Log, partitions: number): Promise<boolean> {
  const tasks = Array.from({ length: partitions }, (_, task) => hasCheckpoint(log, task));
  return (await Promise.all(tasks)).includes(true);
}

interface TaskLifeOptions {
  readonly task: number;
  readonly lease: Lease;
  readonly config: ProcessorsConfig;
  readonly deps: ProcessorsDeps;
  readonly events: ProcessorEvents;
  readonly rules: () => WantedRules | undefined;
  /** Checks whether the task is still owned; stops this life if not. */
  readonly look: () => Promise<void>;
  readonly onReady: () => void;
}

/** The work on a task while it is owned here: one runner after another, each from the checkpoint. */
class TaskLife implements Work {
  readonly #options: TaskLifeOptions;
  #ready = false;
  #runner: PartitionRunner | undefined;
  #stopped = false;
  #wake = () => {};
  #ended: Promise<void> = Promise.resolve();

  constructor(options: TaskLifeOptions) {
    this.#options = options;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** The rules in force in this task. */
  get specs(): readonly RuleSpec[] {
    return this.#runner?.specs ?? [];
  }

  /** Undefined before its first runner. */
  get found(): PartitionRunner["found"] | undefined {
    return this.#runner?.found;
  }

  start(): void {
    this.#ended = this.#live();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#runner?.stop();
    await this.#ended;
  }

  offerRules(): void {
    this.#runner?.offerRules().catch(() => {});
  }

  async #live(): Promise<void> {
    const { task, lease, events, look } = this.#options;
    const backoff = new Backoff(RETRY, Math.random);
    while (!this.#stopped) {
      this.#runner = this.#newRunner();
      try {
        await this.#runner.run(() => {
          this.#ready = true;
          backoff.reset();
          this.#options.onReady();
        });
      } catch (error) {
        this.#ready = false;
        // Another processor may own the task by now.
        if (error instanceof ConflictError) await look();
        const retryMs = Math.round(backoff.nextMs());
        if (!this.#stopped) events.partitionFailed(task, error, retryMs);
        else if (lease.isOpen()) events.endedUnsaved(task, error);
        await this.#pause(retryMs);
      }
    }
  }

  #newRunner(): PartitionRunner {
    const { task, lease, config, deps, events, rules } = this.#options;
    const log = leasedLog(deps.log, lease);
    return new PartitionRunner({ task, partitions: deps.partitions, config, log, clock: deps.clock, events, rules });
  }

  async #pause(ms: number): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((resolve) => {
      const cancel = processTime.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log } from "../../platform/log/port.ts";
import type { Lease } from "../ownership/lease.ts";
import type { TaskSpace } from "../ownership/owners-record.ts";
import { Ownership } from "../ownership/ownership.ts";
import type { ProcessTime } from "../ownership/process-time.ts";
import { seeded } from "./runner-kit.ts";

/** A simulated time: it moves only from one planned call to the next. */
export class World {
  readonly random: () => number;
  readonly log: Log;
  nowMs = 0;
  /** The log does not answer until then. */
  outageUntilMs = 0;
  /** The ids of machines that are gone. */
  readonly ended = new Set<string>();
  #calls: { readonly atMs: number; readonly order: number; readonly call: () => void }[] = [];
  #order = 0;

  constructor(seed: number) {
    this.random = seeded(seed);
    this.log = createMemoryLog({ nowUs: () => this.nowMs * 1000 });
  }

  after(ms: number, call: () => void): () => void {
    const planned = { atMs: this.nowMs + ms, order: this.#order++, call };
    this.#calls.push(planned);
    return () => {
      this.#calls = this.#calls.filter((each) => each !== planned);
    };
  }

  between(msMin: number, msMax: number): number {
    return msMin + this.random() * (msMax - msMin);
  }

  /** Lets time pass; calls `onStep` after each event. */
  async pass(ms: number, onStep: () => void = () => {}): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      await settled();
      onStep();
      this.#calls.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      const [next] = this.#calls;
      if (next === undefined || next.atMs > endMs) break;
      this.#calls.shift();
      this.nowMs = next.atMs;
      next.call();
    }
    this.nowMs = endMs;
  }
}

interface SimulatedWork {
  readonly task: number;
  readonly lease: Lease;
}

interface MachineOptions {
  readonly id: string;
  readonly leaseMs: number;
  readonly space: TaskSpace;
  readonly name?: string;
  /** Members on the same host see each other's processes. Default: it is alone. */
  readonly host?: string;
  /** How long work on a task replays the log. Default: not at all. */
  readonly catchUpMs?: number;
}

/** A process with one member, which can be paused and can die. */
export class Machine {
  readonly id: string;
  readonly name: string | undefined;
  readonly ownership: Ownership;
  readonly working = new Set<SimulatedWork>();
  readonly said: string[] = [];
  state: "running" | "paused" | "stopping" | "gone" = "running";
  readonly #world: World;
  #missed: (() => void)[] = [];

  constructor(world: World, options: MachineOptions) {
    const { id, leaseMs, space, name, host, catchUpMs = 0 } = options;
    this.id = id;
    this.name = name;
    this.#world = world;
    const time: ProcessTime = {
      nowMs: () => world.nowMs,
      after: (ms, call) => world.after(ms, () => this.#run(call)),
    };
    this.ownership = new Ownership({
      log: { records: this.#records(), bus: this.#bus() },
      space,
      leaseMs,
      ...(name === undefined ? {} : { name }),
      time,
      processes: {
        self: host === undefined ? undefined : `${host}/${id}`,
        hasEnded: (other) => {
          const [place, process = ""] = other.split("/");
          return place === host && world.ended.has(process);
        },
      },
      random: world.random,
      begin: (task, lease) => this.#begin(task, lease, catchUpMs),
      onLook: () => {},
      events: {
        tasksTaken: (tasks, fromLost) => this.said.push(`taken ${tasks.join(" ")}, ${fromLost} from lost`),
        taskReleased: (task) => this.said.push(`released ${task}`),
        taskLost: (task) => this.said.push(`lost ${task}`),
        tasksOwned: () => {},
        memberLost: () => this.said.push("member lost"),
        leaseLapsed: () => this.said.push("lapsed"),
        ownersNotAgreed: (error) => this.said.push(`not agreed: ${error}`),
      },
    });
  }

  start(): void {
    void this.ownership.start();
  }

  stop(): void {
    this.state = "stopping";
    void this.ownership.stop().then(() => this.#end());
  }

  kill(): void {
    this.#end();
  }

  pause(): void {
    this.state = "paused";
  }

  resume(): void {
    if (this.state !== "paused") return;
    this.state = "running";
    // Everything that was due in the meantime happens now, in order.
    for (const call of this.#missed.splice(0)) this.#world.after(0, () => this.#run(call));
  }

  /** Tasks that it may write for now. A paused member may wake up and do so. */
  owns(): number[] {
    return this.state === "gone" ? [] : [...this.working].filter(({ lease }) => lease.isOpen()).map(({ task }) => task);
  }

  #end(): void {
    this.state = "gone";
    this.#world.ended.add(this.id);
  }

  #run(call: () => void): void {
    if (this.state === "paused") this.#missed.push(call);
    else if (this.state !== "gone") call();
  }

  #begin(task: number, lease: Lease, catchUpMs: number) {
    const work = { task, lease };
    this.working.add(work);
    let stopped: Promise<void> | undefined;
    let ready = false;
    this.#world.after(catchUpMs, () =>
      this.#run(() => {
        ready = true;
        void this.ownership.look();
      }),
    );
    return {
      get ready() {
        return ready;
      },
      stop: () => {
        stopped ??= new Promise((resolve) => {
          this.#world.after(this.#world.between(0, 400), () =>
            this.#run(() => {
              this.working.delete(work);
              resolve();
            }),
          );
        });
        return stopped;
      },
    };
  }

  /** The log's records, across a network. */
  #records(): Log["records"] {
    const { records } = this.#world.log;
    return {
      get: (name) => this.#remote(() => records.get(name)),
      set: (name, value, revision) => this.#remote(() => records.set(name, value, revision)),
    };
  }

  #remote<T>(call: () => Promise<T>): Promise<T> {
    const world = this.#world;
    const sender = this;
    return new Promise((resolve, reject) => {
      function arrive(): void {
        if (world.nowMs < world.outageUntilMs) {
          world.after(world.outageUntilMs - world.nowMs + world.between(0, 500), arrive);
          return;
        }
        const backMs = world.between(0.5, 30);
        const answer = (settle: () => void) => world.after(backMs, () => sender.#run(settle));
        call().then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        );
      }
      world.after(world.between(0.5, 30), arrive);
    });
  }

  /** Hints may be lost. */
  #bus(): Log["bus"] {
    const { bus } = this.#world.log;
    return {
      ...bus,
      publish: (subject, value) => {
        if (this.#world.random() < 0.8) bus.publish(subject, value);
      },
      subscribe: (subject, onValue) => bus.subscribe(subject, (value, from) => this.#run(() => onValue(value, from))),
    };
  }
}

/** Everything that needs no time is done. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

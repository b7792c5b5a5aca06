import { appendEach } from "../../platform/log/append-each.ts";
import {
  type Blobs,
  ConflictError,
  type Log,
  LogClosedError,
  type LogMessage,
  type ReadQuery,
  type Records,
} from "../../platform/log/port.ts";
import type { FaultCounts } from "./fault-counts.ts";
import type { World } from "./world.ts";

const LATENCY_US_MAX = 4_000;
const SLOW_US_MAX = 1_500_000;
const SLOW_SHARE = 0.01;
const BUS_LOST_SHARE = 0.05;

/** The records and blobs of the simulated log, which the simulation can lose or damage. */
export class FragileStores {
  readonly records: Records;
  readonly blobs: Blobs;
  readonly #records = new Map<string, { readonly value: Uint8Array; readonly revision: number }>();
  readonly #blobs = new Map<string, Uint8Array>();
  #revision = 0;

  constructor() {
    this.records = {
      get: async (name) => this.#records.get(name),
      set: async (name, value, expectRevision) => {
        const present = this.#records.get(name)?.revision ?? 0;
        if (present !== expectRevision) throw new ConflictError(`${name} is at ${present}, not ${expectRevision}`);
        this.#records.set(name, { value: new Uint8Array(value), revision: ++this.#revision });
        return this.#revision;
      },
    };
    this.blobs = {
      get: async (name) => this.#blobs.get(name),
      put: async (name, value) => {
        this.#blobs.set(name, value instanceof Uint8Array ? new Uint8Array(value) : Buffer.concat(value));
      },
      delete: async (name) => {
        this.#blobs.delete(name);
      },
    };
  }

  /** Loses a record or a blob of the checkpoints, or damages a blob. Returns false if there is none. */
  harm(world: World, kind: "record-lost" | "blob-lost" | "blob-damaged"): boolean {
    const names = [...(kind === "record-lost" ? this.#records : this.#blobs).keys()].filter((name) =>
      name.startsWith("checkpoint"),
    );
    if (names.length === 0) return false;
    const name = world.random.pick(names);
    if (kind === "record-lost") this.#records.delete(name);
    else if (kind === "blob-lost") this.#blobs.delete(name);
    else this.#blobs.set(name, damaged(this.#blobs.get(name) ?? new Uint8Array(), world));
    return true;
  }
}

/** Cuts the bytes short, or overwrites some of them. */
function damaged(bytes: Uint8Array, world: World): Uint8Array {
  if (world.random.chance(0.5)) return bytes.slice(0, world.random.whole(0, Math.max(0, bytes.length - 1)));
  const copy = new Uint8Array(bytes);
  for (let i = 0; i < 8 && copy.length > 0; i++)
    copy[world.random.whole(0, copy.length - 1)] = world.random.whole(0, 255);
  return copy;
}

/** The log's servers, shared by all processes, and their faults. */
export interface Servers {
  readonly log: Log;
  readonly stores: FragileStores;
  readonly counts: FaultCounts;
  /** The end of an outage: until then, nothing reaches the servers. */
  outageUntilUs: number;
  /** Ids of processes that have ended. */
  readonly ended: Set<number>;
  /** Whether some operations are slow and some bus messages are lost. */
  faulty: boolean;
}

/** A process dies at its n-th operation from now. `takesEffect`: whether that operation still takes effect. */
export interface Death {
  readonly how: "silent" | "failing";
  readonly takesEffect: boolean;
  afterOperations: number;
  readonly onDeath: () => void;
}

/** The log connection of one process. Operations take time, keep their order, and end with the process. */
export class Connection {
  readonly log: Log;
  readonly #world: World;
  readonly #servers: Servers;
  readonly #closers = new Set<() => void>();
  #state: "alive" | "failing" | "silent" = "alive";
  readonly #process: number | undefined;
  /** The operating system pauses the process until this time. */
  pausedUntilUs = 0;
  #lastSentUs = 0;
  /** Counts only operations that reach the servers. */
  #death: Death | undefined;

  /** `process`: the id of its process. */
  constructor(world: World, servers: Servers, process?: number) {
    this.#world = world;
    this.#process = process;
    this.#servers = servers;
    const { log, stores } = servers;
    const run = <T>(effect: () => Promise<T>) => this.#run(effect);
    this.log = {
      ...log,
      append: (message) => {
        // Not copied, because the sender may reuse its buffer only after the answer.
        return run(() => log.append(message));
      },
      // In one step, or one by one: then the process may die in between, and others may append too.
      appendAll: (messages) =>
        world.random.chance(0.5)
          ? run(() => log.appendAll(messages))
          : appendEach((message) => run(() => log.append(message)), messages),
      lastFor: (stream, subject) => run(() => log.lastFor(stream, subject)),
      bounds: (stream) => run(() => log.bounds(stream)),
      read: (query) => this.#read(query),
      healthy: () => this.alive,
      close: async () => {},
      records: {
        get: (name) => run(() => stores.records.get(name)),
        set: (name, value, revision) => run(() => stores.records.set(name, value, revision)),
      },
      blobs: {
        get: (name) => run(() => stores.blobs.get(name)),
        put: (name, value) => run(() => stores.blobs.put(name, value)),
        delete: (name) => run(() => stores.blobs.delete(name)),
      },
      bus: {
        ...log.bus,
        publish: (subject, value) => {
          if (!this.alive || servers.outageUntilUs > world.nowUs) return;
          if (servers.faulty && world.random.chance(BUS_LOST_SHARE)) servers.counts.add("bus message lost");
          else log.bus.publish(subject, value);
        },
      },
    };
  }

  get alive(): boolean {
    return this.#state === "alive";
  }

  /** Ends the process. `silent`: as by SIGKILL. `failing`: every operation fails from now on. */
  end(how: "silent" | "failing"): void {
    this.#state = how;
    if (this.#process !== undefined) this.#servers.ended.add(this.#process);
    for (const close of this.#closers) close();
  }

  /** Removes the planned faults of the process. */
  heal(): void {
    this.pausedUntilUs = 0;
    this.#death = undefined;
  }

  dieAt(death: Death): void {
    this.#death = death;
  }

  #run<T>(effect: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#refused(reject)) return;
      const sentUs = Math.max(this.#pastOutage(this.#latencyUs()), this.#lastSentUs);
      this.#lastSentUs = sentUs;
      this.#world.at(sentUs, () => this.#arrive(effect, resolve, reject));
    });
  }

  #arrive<T>(effect: () => Promise<T>, resolve: (value: T) => void, reject: (error: unknown) => void): void {
    const { outageUntilUs } = this.#servers;
    if (outageUntilUs > this.#world.nowUs && this.alive) {
      this.#world.at(outageUntilUs, () => this.#arrive(effect, resolve, reject));
      return;
    }
    if (this.#dieIfDue(effect)) {
      this.#refused(reject);
      return;
    }
    // An operation that a process sent before it died may or may not take effect.
    if (!this.alive) {
      if (this.#world.random.chance(0.5)) effect().catch(() => {});
      this.#refused(reject);
      return;
    }
    const answer = (give: () => void) => {
      this.#world.at(this.#pastOutage(this.#latencyUs()), () => {
        if (!this.#refused(reject)) give();
      });
    };
    effect().then(
      (value) => answer(() => resolve(value)),
      (error: unknown) => answer(() => reject(error)),
    );
  }

  #dieIfDue(effect: () => Promise<unknown>): boolean {
    const death = this.#death;
    if (death === undefined || !this.alive || death.afterOperations-- > 0) return false;
    const { counts } = this.#servers;
    counts.add(death.takesEffect ? "died at an operation that took effect" : "died at an operation without effect");
    // The process dies at this operation. Others under way may or may not take effect.
    if (death.takesEffect) effect().catch(() => {});
    this.end(death.how);
    death.onDeath();
    return true;
  }

  #refused(reject: (error: unknown) => void): boolean {
    if (this.#state === "failing") reject(new LogClosedError("the process is dying"));
    return !this.alive;
  }

  #latencyUs(): number {
    const { faulty, counts } = this.#servers;
    const { random } = this.#world;
    if (!faulty || !random.chance(SLOW_SHARE)) return random.whole(20, LATENCY_US_MAX);
    counts.add("slow operation");
    return random.whole(LATENCY_US_MAX, SLOW_US_MAX);
  }

  #pastOutage(latencyUs: number): number {
    return Math.max(this.#world.nowUs, this.#servers.outageUntilUs, this.pausedUntilUs) + latencyUs;
  }

  #read(query: ReadQuery) {
    const inner = this.#servers.log.read(query);
    const { random } = this.#world;
    let closed = false;
    const close = () => {
      closed = true;
      void inner.close();
    };
    this.#closers.add(close);
    const arrival = (us: number) => this.#world.sleepUntil(us);
    const pastOutage = () => this.#pastOutage(this.#latencyUs());
    const isSilent = () => this.#state === "silent";
    async function* batches(): AsyncGenerator<readonly LogMessage[]> {
      for await (const batch of inner) {
        for (let from = 0; from < batch.length && !closed; ) {
          const to = from + random.whole(1, 8);
          await arrival(pastOutage());
          if (closed) break;
          yield batch.slice(from, to);
          from = to;
        }
        if (closed) break;
      }
      if (isSilent()) await new Promise<never>(() => {});
    }
    const iterator = batches();
    return { [Symbol.asyncIterator]: () => iterator, close: async () => close() };
  }
}

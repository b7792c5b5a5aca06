import { OWNERS_CHANGED } from "../../contracts/processor-notices.ts";
import { ConflictError, type Log } from "../../platform/log/port.ts";
import type { Processes } from "../../platform/processes.ts";
import type { Lease } from "./lease.ts";
import {
  decodeOwners,
  encodeOwners,
  type NextOwners,
  nextOwners,
  OWNERS_RECORD,
  type OwnersRecord,
  ownerOf,
  surplusOf,
  type TaskSpace,
  tasksOf,
  withoutMember,
} from "./owners-record.ts";
import type { ProcessTime } from "./process-time.ts";
import { WatchedMembers } from "./watched-members.ts";

const BEATS_PER_LEASE = 4;
const TRIES_MAX = 20;
const CONFLICT_WAIT_MS = 40;
const PAUSE_MS_MIN = 10;
/** A task that has just begun has hardly replayed anything: processes often start shortly one after the other. */
const BEGINNING_MS = 700;
/** How often the processes of other members on this machine are looked up. */
const PROCESSES_EVERY_MS = 200;

export interface OwnershipOptions {
  readonly log: Pick<Log, "records" | "bus">;
  readonly space: TaskSpace;
  readonly leaseMs: number;
  /** The same after a restart, so that the tasks of this name's past life are taken over at once. */
  readonly name?: string;
  readonly time: ProcessTime;
  /** A member whose process is seen to end is replaced at once. */
  readonly processes: Processes;
  /** 0 to 1, different in each process. */
  readonly random: () => number;
  readonly events: OwnershipEvents;
  /** Starts work on a task. */
  readonly begin: (task: number, lease: Lease) => Work;
  /** Called when task owners may have changed. */
  readonly onLook: () => void;
}

/** The work on one task. */
export interface Work {
  /** Whether it has caught up with the log. */
  readonly ready: boolean;
  /** Resolves when the work has ended and its state is saved; after a lost lease it ends without saving. */
  stop(): Promise<void>;
}

export interface OwnershipEvents {
  tasksTaken(tasks: readonly number[], fromLost: number): void;
  taskReleased(task: number): void;
  taskLost(task: number): void;
  tasksOwned(count: number): void;
  memberLost(id: string): void;
  leaseLapsed(lateMs: number): void;
  ownersNotAgreed(error: unknown): void;
}

interface Held {
  readonly work: Work;
  readonly sinceMs: number;
  state: "working" | "ending" | "finished";
  lost: boolean;
}

/**
 * One member's part in sharing the tasks. All members agree in one record, changed by compare-and-set: the members,
 * each with a counting beat, and the owner of each task. A round (read, decide, write) runs with each beat, and at
 * once when another member has changed something.
 */
export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #id: string;
  readonly #name: string;
  readonly #watched: WatchedMembers;
  readonly #held = new Map<number, Held>();
  /** Lost tasks whose work here has not ended yet. */
  readonly #endingLost = new Map<number, Promise<void>>();
  #record: OwnersRecord = { members: {}, owners: [] };
  #beat = 0;
  #joined = false;
  #leaving: Promise<void> | undefined;
  #left = false;
  #beatDueMs = 0;
  #leaseEndMs = Number.NEGATIVE_INFINITY;
  #rounds: Promise<void> = Promise.resolve();
  #nextRound: Promise<void> | undefined;
  #roundEnd = newSignal();
  #cancelTimer = () => {};
  #cancelCheck = () => {};
  #unsubscribe = () => {};

  constructor(options: OwnershipOptions) {
    this.#options = options;
    this.#id = `${options.name ?? "processors"}-${token(options.random)}`;
    this.#name = options.name ?? this.#id;
    this.#watched = new WatchedMembers(options.leaseMs, options.processes.hasEnded);
  }

  /** Joins the others. Resolves after the first round, which takes free tasks up to a fair share. */
  async start(): Promise<void> {
    this.#unsubscribe = this.#options.log.bus.subscribe(OWNERS_CHANGED, (from) => {
      if (from !== this.#id) void this.look();
    });
    await this.look();
  }

  /** Reads the owners again and acts on them. Resolves after a whole round; never rejects. */
  look(): Promise<void> {
    if (this.#left) return Promise.resolve();
    this.#nextRound ??= this.#rounds.then(() => {
      this.#nextRound = undefined;
      return this.#round();
    });
    this.#rounds = this.#nextRound;
    return this.#nextRound;
  }

  /** Ends all work and gives everything back. */
  stop(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  /** Tasks that this member works on. */
  get owned(): number {
    return this.#held.size;
  }

  /** Tasks without a live owner, as far as this member knows. */
  get unowned(): number {
    const { space } = this.#options;
    let count = 0;
    for (let task = 0; task < space.tasks; task++) if (ownerOf(this.#record, task) === undefined) count++;
    return count;
  }

  /** Whether this member could renew its lease in time. */
  get leaseOpen(): boolean {
    return this.#options.time.nowMs() < this.#leaseEndMs;
  }

  async #leave(): Promise<void> {
    const { leaseMs, time } = this.#options;
    const joined = this.#joined;
    await Promise.all([...[...this.#held.keys()].map((task) => this.#finish(task)), ...this.#endingLost.values()]);
    let cancel = () => {};
    const leaseOver = new Promise<void>((resolve) => {
      // Waiting longer is useless: by then the others have taken everything.
      cancel = time.after(leaseMs, resolve);
    });
    if (joined) await Promise.race([this.look(), leaseOver]);
    cancel();
    this.#left = true;
    this.#unsubscribe();
    this.#cancelTimer();
    this.#cancelCheck();
    this.#roundEnd.resolve();
  }

  async #round(): Promise<void> {
    const { time, events, onLook } = this.#options;
    this.#cancelTimer();
    let inMs = this.#beatMs();
    try {
      await this.#agreeAtLast();
      inMs = Math.min(this.#beatDueMs - time.nowMs(), this.#watched.nextDeathMs());
    } catch (error) {
      if (!this.#left) events.ownersNotAgreed(error);
    }
    if (this.#left) return;
    this.#cancelTimer = time.after(Math.max(inMs, PAUSE_MS_MIN), () => void this.look());
    this.#checkProcesses();
    const { resolve } = this.#roundEnd;
    this.#roundEnd = newSignal();
    resolve();
    onLook();
  }

  #checkProcesses(): void {
    this.#cancelCheck();
    this.#cancelCheck = this.#options.time.after(PROCESSES_EVERY_MS, () => {
      if (this.#watched.someEnded()) void this.look();
      else this.#checkProcesses();
    });
  }

  async #agreeAtLast(): Promise<void> {
    const { time, random } = this.#options;
    for (let tries = 1; !this.#left && !(await this.#agree()); tries++) {
      if (tries === TRIES_MAX) throw new ConflictError(`another member was faster, ${TRIES_MAX} times in a row`);
      await new Promise<void>((resolve) => {
        time.after(random() * CONFLICT_WAIT_MS * Math.min(tries, 5), resolve);
      });
    }
  }

  /** Reads, decides, writes. Resolves to false when another member wrote in between. */
  async #agree(): Promise<boolean> {
    const { log, time, events } = this.#options;
    const stored = await log.records.get(OWNERS_RECORD);
    const readAtMs = time.nowMs();
    const read = decodeOwners(stored?.value);
    this.#watched.observe(read, this.#id, readAtMs);
    this.#record = read;
    this.#endLost();
    const finished = [...this.#held].filter(([, { state }]) => state === "finished").map(([task]) => task);
    const next = this.#next(read, new Set(finished));
    if (next.changed || readAtMs >= this.#beatDueMs || !this.leaseOpen) {
      try {
        await log.records.set(OWNERS_RECORD, encodeOwners(next.record), stored?.revision ?? 0);
      } catch (error) {
        if (error instanceof ConflictError) return false;
        throw error;
      }
      if (this.#joined && this.#leaseEndMs < readAtMs) events.leaseLapsed(readAtMs - this.#leaseEndMs);
      // Timed from before the write: the others start to wait later.
      this.#leaseEndMs = readAtMs + this.#options.leaseMs;
      this.#beatDueMs = readAtMs + this.#beatMs();
      this.#wrote(next, finished);
    }
    this.#beginAndFinish();
    return true;
  }

  #next(read: OwnersRecord, finished: ReadonlySet<number>): NextOwners {
    const { space, processes } = this.#options;
    const dead = this.#watched.dead();
    if (this.#leaving !== undefined && finished.size === this.#held.size) {
      return { record: withoutMember(read, this.#id), taken: [], lost: [], changed: true };
    }
    const busy = new Set(this.#leaving === undefined ? this.#endingLost.keys() : Array(space.tasks).keys());
    this.#beat++;
    const mine = { id: this.#id, name: this.#name, beat: this.#beat, process: processes.self, joining: !this.#joined };
    return nextOwners(read, { ...mine, dead, finished, busy }, space);
  }

  /** `given`: the tasks that the record gives back; others may have finished since it was written. */
  #wrote(next: NextOwners, given: readonly number[]): void {
    const { log, events } = this.#options;
    this.#record = next.record;
    this.#joined = true;
    for (const task of given) {
      this.#held.delete(task);
      events.taskReleased(task);
    }
    for (const id of next.lost) events.memberLost(id);
    if (next.taken.length > 0) {
      const fromLost = next.taken.filter(({ from }) => from !== null).length;
      events.tasksTaken(
        next.taken.map(({ task }) => task),
        fromLost,
      );
    }
    if (next.changed) log.bus.publish(OWNERS_CHANGED, this.#id);
  }

  /** Stops work on tasks that the record gives to others. */
  #endLost(): void {
    const { events } = this.#options;
    for (const [task, held] of this.#held) {
      if (this.#record.owners[task] === this.#id) continue;
      this.#held.delete(task);
      held.lost = true;
      events.taskLost(task);
      const ending = ended(held.work).then(() => {
        this.#endingLost.delete(task);
        void this.look();
      });
      this.#endingLost.set(task, ending);
    }
  }

  #beginAndFinish(): void {
    const { space, events, begin, time } = this.#options;
    if (this.#leaving === undefined) {
      for (const task of tasksOf(this.#record, this.#id, space)) {
        if (this.#held.has(task) || this.#endingLost.has(task)) continue;
        const held: Held = {
          work: begin(
            task,
            this.#leaseOf(() => held.lost),
          ),
          sinceMs: time.nowMs(),
          state: "working",
          lost: false,
        };
        this.#held.set(task, held);
      }
      const working = [...this.#held].flatMap(([task, held]) =>
        held.state === "working" ? [{ task, movable: this.#isMovable(held) }] : [],
      );
      for (const task of surplusOf(this.#record, this.#id, working, space)) {
        void this.#finish(task).then(() => this.look());
      }
    }
    events.tasksOwned(this.#held.size);
  }

  /** A task that replays the log stays for a while: to end it and begin it elsewhere makes its results later. */
  #isMovable({ work, sinceMs }: Held): boolean {
    const { time, leaseMs } = this.#options;
    const ageMs = time.nowMs() - sinceMs;
    return work.ready || ageMs < BEGINNING_MS || ageMs > leaseMs;
  }

  /** Ends work on a task, so that the next round gives it back. */
  async #finish(task: number): Promise<void> {
    const held = this.#held.get(task);
    if (held === undefined) return;
    held.state = "ending";
    await ended(held.work);
    held.state = "finished";
  }

  #leaseOf(isLost: () => boolean): Lease {
    const isOpen = () => !isLost() && this.leaseOpen;
    return {
      isOpen,
      reopened: async () => {
        while (!isOpen()) {
          if (isLost() || this.#left) throw new ConflictError("the lease of the task was lost");
          await this.#roundEnd.promise;
        }
      },
    };
  }

  #beatMs(): number {
    const { leaseMs, random } = this.#options;
    return (leaseMs / BEATS_PER_LEASE) * (0.8 + 0.4 * random());
  }
}

/** The work itself reports the error. */
async function ended(work: Work): Promise<void> {
  await work.stop().catch(() => {});
}

function newSignal() {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function token(random: () => number): string {
  return Array.from({ length: 8 }, () => Math.floor(random() * 16).toString(16)).join("");
}

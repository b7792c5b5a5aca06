import { z } from "zod";
import { UserError } from "../../domain/user-error.ts";

/** Where the processors of a log agree on the owner of each task. */
export const OWNERS_RECORD = "processors.owners";

/** `process`: on its machine, the others see when it ends (`Processes`). */
const memberSchema = z.object({ name: z.string(), beat: z.number(), process: z.string().optional() });

const recordSchema = z.object({
  members: z.record(z.string(), memberSchema),
  /** By task: the id of its owner. An owner that is not a member is lost, and its task is free. */
  owners: z.array(z.string().nullable()),
});

export type OwnersRecord = z.output<typeof recordSchema>;

/** Tasks 0 to `tasks - 1`, with `perKind` tasks of each kind: partitions first, then shares of groups. */
export interface TaskSpace {
  readonly tasks: number;
  readonly perKind: number;
}

/** One member's changes to the record. */
export interface Intent {
  readonly id: string;
  readonly name: string;
  /** Greater than all earlier beats of this member. */
  readonly beat: number;
  readonly process: string | undefined;
  /** Its first write: a member with the same name is its own past life, which has ended. */
  readonly joining: boolean;
  readonly dead: ReadonlySet<string>;
  /** Tasks that it has stopped working on. */
  readonly finished: ReadonlySet<number>;
  /** Free tasks that it cannot start now. */
  readonly busy: ReadonlySet<number>;
}

export interface Taken {
  readonly task: number;
  /** The lost member that owned it. */
  readonly from: string | null;
}

export interface NextOwners {
  readonly record: OwnersRecord;
  readonly taken: readonly Taken[];
  readonly lost: readonly string[];
  /** Whether anything except the beat changed. */
  readonly changed: boolean;
}

/** The owners record cannot be read. Retrying does not help. */
class OwnersRecordError extends UserError {
  override readonly name = "OwnersRecordError";
}

export function decodeOwners(value: Uint8Array | undefined): OwnersRecord {
  if (value === undefined || value.length === 0) return { members: {}, owners: [] };
  const text = new TextDecoder().decode(value);
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch (cause) {
    const fix =
      "stop all processors and delete it (`nats kv del weir_records processors.owners`), they write a new one";
    throw new OwnersRecordError(`record ${OWNERS_RECORD} is not one of this version: ${text.slice(0, 200)}; ${fix}`, {
      cause,
    });
  }
}

export function encodeOwners(record: OwnersRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}

/** A task's owner, if it is a member. */
export function ownerOf(record: OwnersRecord, task: number): string | undefined {
  const owner = record.owners[task];
  return owner && Object.hasOwn(record.members, owner) ? owner : undefined;
}

export function tasksOf(record: OwnersRecord, id: string, { tasks }: TaskSpace): number[] {
  return range(tasks).filter((task) => record.owners[task] === id);
}

/** The record after a member has beaten, given tasks back, and taken free tasks up to its fair share. */
export function nextOwners(record: OwnersRecord, intent: Intent, space: TaskSpace): NextOwners {
  const { id, name, beat, process, dead, finished, busy } = intent;
  const pastLives = intent.joining
    ? Object.keys(record.members).filter((each) => isPastLife(record, each, intent))
    : [];
  const lost = Object.keys(record.members).filter((each) => each !== id && dead.has(each) && !pastLives.includes(each));
  const gone = new Set([...lost, ...pastLives]);
  const others = Object.entries(record.members).filter(([each]) => each !== id && !gone.has(each));
  const members = Object.fromEntries([...others, [id, { name, beat, process }]]);
  const owners = range(space.tasks).map((task) => {
    const owner = record.owners[task] ?? null;
    return owner === id && finished.has(task) ? null : owner;
  });
  // Tasks that only a newer version knows stay unchanged.
  owners.push(...record.owners.slice(space.tasks));
  const next: OwnersRecord = { members, owners };
  const taken: Taken[] = [];
  for (let open = quotaOf(next, id, space) - tasksOf(next, id, space).length; open > 0; open--) {
    const free = range(space.tasks).filter((task) => ownerOf(next, task) === undefined && !busy.has(task));
    const load = loadByKind(tasksOf(next, id, space), space);
    const task = leastBy(free, (each) => load(each));
    if (task === undefined) break;
    taken.push({ task, from: owners[task] ?? null });
    owners[task] = id;
  }
  const joined = record.members[id] === undefined;
  const changed =
    joined || gone.size > 0 || taken.length > 0 || tasksOf(record, id, space).some((t) => finished.has(t));
  return { record: next, taken, lost, changed };
}

/** The record after a member has left and given back all its tasks. */
export function withoutMember(record: OwnersRecord, id: string): OwnersRecord {
  return {
    members: Object.fromEntries(Object.entries(record.members).filter(([each]) => each !== id)),
    owners: record.owners.map((owner) => (owner === id ? null : owner)),
  };
}

/** Work on a task, which may not move yet. */
interface Working {
  readonly task: number;
  readonly movable: boolean;
}

/** The movable tasks that a member works on beyond its fair share. */
export function surplusOf(record: OwnersRecord, id: string, working: readonly Working[], space: TaskSpace): number[] {
  const left = working.map(({ task }) => task);
  const movable = new Set(working.flatMap((each) => (each.movable ? [each.task] : [])));
  const surplus: number[] = [];
  // A task that is being given back already counts as given.
  for (let over = left.length - quotaOf(record, id, space); over > 0; over--) {
    const load = loadByKind(left, space);
    const candidates = left.filter((each) => movable.has(each)).reverse();
    const task = leastBy(candidates, (each) => -load(each));
    if (task === undefined) break;
    surplus.push(task);
    left.splice(left.indexOf(task), 1);
  }
  return surplus;
}

/**
 * The fair share of a member. Shares differ by one at most; members with more tasks now get the greater shares, so
 * that as little as possible moves. Every member computes the same from the same record.
 */
function quotaOf(record: OwnersRecord, id: string, space: TaskSpace): number {
  const counts = Object.keys(record.members).map((each) => ({ id: each, count: tasksOf(record, each, space).length }));
  counts.sort((a, b) => b.count - a.count || (a.id < b.id ? -1 : 1));
  const place = counts.findIndex((each) => each.id === id);
  const base = Math.floor(space.tasks / counts.length);
  return place < space.tasks % counts.length ? base + 1 : base;
}

function isPastLife(record: OwnersRecord, each: string, { id, name }: Intent): boolean {
  return each !== id && record.members[each]?.name === name;
}

/** For a task, the number of these tasks of the same kind: the kinds are shared evenly too. */
function loadByKind(tasks: readonly number[], { perKind }: TaskSpace): (task: number) => number {
  const counts = new Map<number, number>();
  for (const task of tasks) {
    const kind = Math.floor(task / perKind);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return (task) => counts.get(Math.floor(task / perKind)) ?? 0;
}

/** The first one with the smallest measure. */
function leastBy<T>(items: readonly T[], measure: (item: T) => number): T | undefined {
  let least: T | undefined;
  let best = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const measured = measure(item);
    if (measured >= best) continue;
    best = measured;
    least = item;
  }
  return least;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

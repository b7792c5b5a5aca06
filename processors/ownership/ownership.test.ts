import { afterEach, expect, test } from "vitest";
import { ConflictError } from "../../platform/log/port.ts";
import { Machine, World } from "../testing/simulated-members.ts";
import { OWNERS_RECORD } from "./owners-record.ts";

const LEASE_MS = 4_000;
const SPACE = { tasks: 8, perKind: 4 };
/** A beat with its spread, two trips to the log, the end of the work, and the same again for a lost hint. */
const SLACK_MS = 4_000;
const machines: Machine[] = [];

afterEach(() => {
  for (const machine of machines.splice(0)) machine.kill();
});

type Joining = Pick<ConstructorParameters<typeof Machine>[1], "name" | "host" | "catchUpMs">;

function join(world: World, joining: Joining = {}): Machine {
  const machine = new Machine(world, { id: `m${machines.length}`, leaseMs: LEASE_MS, space: SPACE, ...joining });
  machines.push(machine);
  machine.start();
  return machine;
}

function alive(): Machine[] {
  return machines.filter(({ state }) => state === "running");
}

/** The tasks by number, with the members that may write for them. */
function owners(): string[][] {
  const byTask: string[][] = Array.from({ length: SPACE.tasks }, () => []);
  for (const machine of machines) for (const task of machine.owns()) byTask[task]?.push(machine.id);
  return byTask;
}

function checkOneOwner(world: World): void {
  for (const [task, ids] of owners().entries()) {
    if (ids.length > 1) throw new Error(`at ${world.nowMs} ms task ${task} is owned by ${ids.join(" and ")}`);
  }
}

/** Fair shares, in total and of each kind, and each task owned once. */
function checkShared(): void {
  const shares = alive().map((machine) => machine.owns());
  const tasks = shares.flat().sort((a, b) => a - b);
  expect(tasks).toEqual(Array.from({ length: SPACE.tasks }, (_, task) => task));
  const sizes = shares.map((share) => share.length);
  expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
}

test("the first member takes everything at once; a member that leaves gives everything back at once", async () => {
  const world = new World(1);
  const one = join(world);
  await world.pass(130);
  expect(one.owns()).toHaveLength(SPACE.tasks);
  one.stop();
  await world.pass(1_000);
  const two = join(world);
  await world.pass(130);
  expect(two.owns()).toHaveLength(SPACE.tasks);
});

test.each(Array.from({ length: 10 }, (_, i) => i + 1))(
  "a second member gets half of each kind, after the first has ended its work on it (seed %i)",
  async (seed) => {
    const world = new World(seed);
    const one = join(world);
    await world.pass(5_000);
    const two = join(world);
    await world.pass(5_000, () => checkOneOwner(world));
    checkShared();
    for (const each of [one, two]) expect(each.owns().filter((task) => task < SPACE.perKind)).toHaveLength(2);
    // None is given back that the record still has here: it would begin again.
    expect(one.said.filter((line) => line.startsWith("released"))).toHaveLength(4);
  },
);

test.each([
  ["when it has caught up", 2_500, 2_500],
  ["after a lease time, if that takes long", 1_000_000, LEASE_MS],
])("a task that replays the log moves to another member %s", async (_, catchUpMs, movesAfterMs) => {
  const world = new World(11);
  const one = join(world, { catchUpMs });
  await world.pass(1_000);
  join(world);
  await world.pass(movesAfterMs - 1_300);
  expect(one.owns()).toHaveLength(SPACE.tasks);
  await world.pass(3_000, () => checkOneOwner(world));
  checkShared();
});

test("tasks that have just begun are shared at once with a member that starts a moment later", async () => {
  const world = new World(12);
  join(world, { catchUpMs: 1_000_000 });
  await world.pass(130);
  join(world, { catchUpMs: 1_000_000 });
  // The end of the work, and a beat if a hint is lost, but less than a lease time.
  await world.pass(2_500, () => checkOneOwner(world));
  checkShared();
});

test("a dead member's tasks are taken over a lease time later, not sooner", async () => {
  const world = new World(3);
  const one = join(world);
  const two = join(world);
  await world.pass(10_000);
  one.kill();
  const killedAtMs = world.nowMs;
  await world.pass(LEASE_MS - 1_500);
  expect(two.owns()).toHaveLength(4);
  while (two.owns().length < SPACE.tasks && world.nowMs < killedAtMs + 60_000) await world.pass(10);
  expect(world.nowMs - killedAtMs).toBeLessThan(LEASE_MS + 1_500);
  expect(two.said).toContain("member lost");
  expect(two.said.at(-1)).toMatch(/, 4 from lost$/);
});

test("a member whose process ended is replaced at once on its machine, by another or by a new one", async () => {
  const world = new World(9);
  const [one, two] = [join(world, { host: "here" }), join(world, { host: "here" })];
  await world.pass(10_000);
  one.kill();
  await world.pass(300, () => checkOneOwner(world));
  expect(two.owns()).toHaveLength(SPACE.tasks);
  expect(two.said).toContain("member lost");
  two.kill();
  const three = join(world, { host: "here" });
  await world.pass(130, () => checkOneOwner(world));
  expect(three.owns()).toHaveLength(SPACE.tasks);
});

test("on another machine a member waits for the lease, and a paused process has not ended", async () => {
  const world = new World(10);
  const [one, two] = [join(world, { host: "here" }), join(world, { host: "elsewhere" })];
  await world.pass(10_000);
  one.kill();
  await world.pass(LEASE_MS - 1_500);
  expect(two.owns()).toHaveLength(4);
  await world.pass(3_000);
  expect(two.owns()).toHaveLength(SPACE.tasks);
  const three = join(world, { host: "elsewhere" });
  await world.pass(10_000);
  two.pause();
  await world.pass(LEASE_MS - 1_500);
  expect(three.owns()).toHaveLength(4);
});

test("a restarted member with the same name takes the tasks of its past life at once", async () => {
  const world = new World(4);
  const one = join(world, { name: "host:/data" });
  const other = join(world);
  await world.pass(10_000);
  one.kill();
  const again = join(world, { name: "host:/data" });
  await world.pass(130);
  expect(again.owns()).toHaveLength(4);
  expect(other.said).not.toContain("member lost");
});

test("two members with one name share the tasks, and do not compete", async () => {
  const world = new World(5);
  join(world, { name: "same" });
  await world.pass(3_000);
  join(world, { name: "same" });
  await world.pass(10_000);
  checkShared();
  const said = machines.map((machine) => machine.said.length);
  await world.pass(60_000);
  expect(machines.map((machine) => machine.said.length)).toEqual(said);
});

test("a paused member holds back its writes until it knows its tasks, and loses those that others have taken", async () => {
  const world = new World(6);
  const one = join(world);
  const two = join(world);
  await world.pass(10_000);
  const works = [...one.working];
  one.pause();
  await world.pass(20_000);
  expect(two.owns()).toHaveLength(SPACE.tasks);
  one.resume();
  const writes = works.map(({ lease }) => lease.reopened().catch((error: unknown) => error));
  expect(works.map(({ lease }) => lease.isOpen())).toEqual([false, false, false, false]);
  await world.pass(10_000, () => checkOneOwner(world));
  for (const outcome of await Promise.all(writes)) expect(outcome).toBeInstanceOf(ConflictError);
  checkShared();
});

test("an outage of the log moves no task: work continues where it was", async () => {
  const world = new World(7);
  const [one, two] = [join(world), join(world)];
  await world.pass(10_000);
  const before = owners();
  const works = [...one.working, ...two.working];
  world.outageUntilMs = world.nowMs + 60_000;
  await world.pass(59_000);
  expect(owners().flat()).toEqual([]);
  expect(one.ownership.leaseOpen).toBe(false);
  const writes = works.map(({ lease }) => lease.reopened());
  await world.pass(10_000);
  await Promise.all(writes);
  expect(owners()).toEqual(before);
  expect([...one.working, ...two.working]).toEqual(works);
  for (const each of [one, two]) expect(each.said).not.toContain("member lost");
});

test("a record that cannot be read is reported, and removing it fixes it", async () => {
  const world = new World(8);
  const revision = await world.log.records.set(OWNERS_RECORD, new TextEncoder().encode("[1]"), 0);
  const one = join(world);
  await world.pass(3_000);
  expect(one.said[0]).toContain(
    `not agreed: OwnersRecordError: record ${OWNERS_RECORD} is not one of this version: [1]`,
  );
  await world.log.records.set(OWNERS_RECORD, new Uint8Array(0), revision);
  await world.pass(3_000);
  checkShared();
});

/** Disturbs a member. Returns whether that may have lost work. */
function disturb(world: World): boolean {
  const running = alive();
  const victim = running[Math.floor(world.random() * running.length)];
  const paused = machines.filter(({ state }) => state === "paused");
  const dice = world.random();
  const free = machines.every(({ name, state }) => name !== "named" || state === "gone");
  if (running.length < 2 || (dice < 0.3 && running.length < 6)) {
    const host = world.random() < 0.5 ? { host: "here" } : {};
    const catchUpMs = world.random() < 0.5 ? 0 : world.between(0, 20_000);
    join(world, { catchUpMs, ...host, ...(free && dice < 0.2 ? { name: "named" } : {}) });
  } else if (dice < 0.5) victim?.stop();
  else if (dice < 0.7) {
    victim?.kill();
    return true;
  } else if (dice < 0.8) {
    world.outageUntilMs = Math.max(world.outageUntilMs, world.nowMs + world.between(100, 15_000));
    return true;
  } else if (paused.length > 0) {
    paused[0]?.resume();
    return true;
  } else {
    victim?.pause();
    return true;
  }
  return false;
}

test.each(Array.from({ length: 20 }, (_, i) => i + 1))(
  "members join, leave, die, pause, lose the log: no task is owned twice, or unowned for long (seed %i)",
  async (seed) => {
    const world = new World(seed);
    join(world);
    const ownedAtMs = Array.from({ length: SPACE.tasks }, () => 0);
    let disturbedAtMs = 0;
    const check = () => {
      checkOneOwner(world);
      for (const [task, ids] of owners().entries()) {
        const someone = machines.some(
          ({ state, id }) => (state === "running" || state === "stopping") && ids.includes(id),
        );
        if (someone) ownedAtMs[task] = world.nowMs;
        const idleMs = world.nowMs - Math.max(ownedAtMs[task] ?? 0, disturbedAtMs, world.outageUntilMs);
        if (idleMs > LEASE_MS + SLACK_MS)
          throw new Error(`at ${world.nowMs} ms task ${task} has had no owner for ${idleMs} ms`);
      }
    };
    for (let i = 0; i < 40; i++) {
      if (disturb(world)) disturbedAtMs = world.nowMs;
      await world.pass(world.between(50, 12_000), check);
    }
    for (const machine of machines) machine.resume();
    disturbedAtMs = world.nowMs;
    await world.pass(Math.max(0, world.outageUntilMs - world.nowMs) + 20_000, check);
    checkShared();
    const said = machines.map((machine) => machine.said.length);
    await world.pass(30_000, check);
    expect(machines.map((machine) => machine.said.length)).toEqual(said);
  },
);

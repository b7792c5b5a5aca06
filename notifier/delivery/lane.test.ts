import fc from "fast-check";
import { expect, test } from "vitest";
import type { Flight } from "../common/lane-types.ts";
import { World } from "../testing/lane-kit.ts";

const S = 1_000_000;
const MINUTE = 60 * S;
const HOUR = 60 * MINUTE;

test("firing and resolved are told at once, one message each; pending and inactive are not", () => {
  const world = new World();
  world.take({ state: "pending" });
  world.take({ state: "firing" });
  expect(world.send()).toEqual(["d1 firing"]);
  world.take({ state: "resolved" });
  expect(world.send()).toEqual(["d1 resolved"]);
  world.take({ device: "d2", state: "pending" });
  world.take({ device: "d2", state: "inactive" });
  world.take({ notify: ["others"] });
  expect(world.send()).toEqual([]);
  expect(world.lane.cursor()).toBe(world.sequence + 1);
});

test("pending is told when asked for, and so is its end", () => {
  const world = new World({ defaults: { states: ["pending", "firing", "resolved", "inactive"] } });
  world.take({ state: "pending" });
  expect(world.send()).toEqual(["d1 pending"]);
  world.take({ state: "inactive" });
  expect(world.send()).toEqual(["d1 inactive"]);
});

test("resolved never overtakes firing: an alert has one message on its way", () => {
  const world = new World();
  world.take();
  const flight = world.next();
  world.take({ state: "resolved" });
  expect(world.next()).toBeUndefined();
  expect(world.lane.cursor()).toBe(1);
  if (flight) world.lane.land(flight, true, world.nowUs);
  expect(world.lane.cursor()).toBe(2);
  expect(world.send()).toEqual(["d1 resolved"]);
});

test("an incident that is over before it was sent is collapsed, or told in order when that is wanted", () => {
  const quiet = new World();
  quiet.take();
  quiet.take({ state: "resolved" });
  expect(quiet.send()).toEqual([]);
  expect(quiet.settled).toEqual([
    expect.stringMatching(/firing collapsed$/),
    expect.stringMatching(/resolved collapsed$/),
  ]);
  const full = new World({}, false);
  full.take();
  full.take({ state: "resolved" });
  expect(full.send()).toEqual(["d1 firing", "d1 resolved"]);
});

test("the end of a message that was given up is told: it may have arrived", () => {
  const world = new World();
  world.take();
  expect(world.send(false)).toEqual(["d1 firing"]);
  world.take({ state: "resolved" });
  expect(world.send()).toEqual(["d1 resolved"]);
});

test.each([
  ["a rule in shadow mode", { muted: true } as const],
  ["one in a log from before the field", { labels: { weir_muted: "true" } }],
])("%s is recorded, and nobody is notified", (_, muted) => {
  const world = new World();
  world.take(muted);
  world.take({ ...muted, state: "resolved" });
  world.nowUs += 100 * HOUR;
  expect(world.send()).toEqual([]);
  expect(world.settled).toEqual([expect.stringMatching(/firing muted$/), expect.stringMatching(/resolved muted$/)]);
});

test("a group waits for its first alerts, and then between messages", () => {
  const world = new World({ defaults: { group_by: ["site"], group_wait: "30s", group_interval: "5m" } });
  world.take({ device: "d1" });
  world.nowUs += 20 * S;
  world.take({ device: "d2" });
  world.take({ device: "far", site: "south" });
  expect(world.send()).toEqual([]);
  world.nowUs += 10 * S;
  expect(world.send()).toEqual(["d1 firing + d2 firing"]);
  world.nowUs += 20 * S;
  expect(world.send()).toEqual(["far firing"]);
  world.take({ device: "d3" });
  world.take({ device: "d1", state: "resolved" });
  world.nowUs += 4 * MINUTE;
  expect(world.send()).toEqual([]);
  world.nowUs += MINUTE;
  expect(world.send()).toEqual(["d3 firing + d1 resolved"]);
});

test("an alert stays in its group when a rule's edit changes its labels", () => {
  const world = new World({ defaults: { group_by: ["team"], group_wait: "0s", group_interval: "0s" } });
  world.take({ labels: { team: "a" } });
  expect(world.next()?.labels).toEqual({ team: "a" });
  const [flight] = world.restart(1);
  if (flight) world.lane.land(flight, true, world.nowUs);
  world.take({ state: "resolved", labels: { team: "b" } });
  expect(world.next()?.labels).toEqual({ team: "a" });
});

test("what still fires is repeated, by the route's interval, until it is acknowledged", () => {
  const world = new World({ routes: [{ match: { severity: "critical" }, receivers: ["ops"], repeat_interval: "1h" }] });
  world.take({ severity: "critical" });
  expect(world.send()).toEqual(["d1 firing"]);
  world.nowUs += HOUR - 1;
  expect(world.send()).toEqual([]);
  world.nowUs += S;
  expect(world.send()).toEqual(["d1 firing again 1"]);
  world.nowUs += HOUR;
  expect(world.send()).toEqual(["d1 firing again 2"]);
  world.acknowledged = true;
  world.nowUs += 10 * HOUR;
  expect(world.send()).toEqual([]);
  world.take({ severity: "critical", state: "resolved" });
  expect(world.send()).toEqual(["d1 resolved"]);
  world.nowUs += 10 * HOUR;
  expect(world.send()).toEqual([]);
});

test("a group is repeated as a whole, and `never` is never", () => {
  const grouped = new World({
    defaults: { group_by: [], group_wait: "0s", group_interval: "0s", repeat_interval: "1h" },
  });
  grouped.take({ device: "d1" });
  grouped.send();
  grouped.nowUs += HOUR / 2;
  grouped.take({ device: "d2" });
  grouped.send();
  grouped.nowUs += HOUR / 2;
  expect(grouped.send()).toEqual(["d1 firing + d2 firing again 1"]);
  grouped.nowUs += HOUR / 2;
  expect(grouped.send()).toEqual([]);
  const once = new World({ defaults: { repeat_interval: "never" } });
  once.take();
  once.send();
  once.nowUs += 1_000 * HOUR;
  expect(once.send()).toEqual([]);
});

test("a silence holds alerts back; what fires when it ends is told then", () => {
  const world = new World();
  world.silenced = true;
  world.take({ device: "d1" });
  world.take({ device: "d2" });
  expect(world.send()).toEqual([]);
  world.take({ device: "d2", state: "resolved" });
  expect(world.send()).toEqual([]);
  world.keep();
  world.restart(world.lane.cursor());
  world.silenced = false;
  world.nowUs += S;
  // A scan finds it, the next look sends it.
  expect([...world.send(), ...world.send()]).toEqual(["d1 firing"]);
  world.silenced = true;
  world.nowUs += 10 * HOUR;
  expect(world.send()).toEqual([]);
  world.take({ device: "d1", state: "resolved" });
  expect(world.send()).toEqual(["d1 resolved"]);
});

test("after a long absence nobody is woken for what is over, and all hear of what fires", () => {
  const world = new World({}, false);
  world.take({ device: "told" });
  expect(world.send()).toEqual(["told firing"]);
  world.keep();
  const cursor = world.lane.cursor();
  world.write({ device: "told", state: "resolved" });
  world.write({ device: "over" });
  world.write({ device: "over", state: "resolved" });
  world.write({ device: "fires" });
  world.write({ device: "again" });
  world.write({ device: "again", state: "resolved" });
  world.write({ device: "again", round: 2 });
  world.nowUs += 24 * HOUR;
  world.restart(cursor);
  expect(world.send()).toEqual(["told resolved", "fires firing", "again firing"]);
  expect(world.settled.filter((text) => text.endsWith("skipped"))).toHaveLength(2);
});

test("an end whose change has lost the route is told to whoever heard of the beginning", () => {
  const world = new World();
  world.take();
  world.send();
  world.take({ state: "resolved", notify: [] });
  expect(world.send()).toEqual(["d1 resolved"]);
});

test("a message on its way keeps its id and its content over a crash; one that arrived is not sent again", () => {
  const world = new World({ defaults: { group_by: [], group_wait: "0s" } });
  world.take({ device: "d1" });
  world.take({ device: "d2" });
  const flight = world.next();
  const records = world.lane.flightRecords();
  world.take({ device: "d2", state: "resolved" });
  world.take({ device: "d3" });
  const [resumed] = world.restart(1, records);
  expect(resumed?.id).toBe(flight?.id);
  expect(resumed?.entries.map(({ change }) => change.id)).toEqual(flight?.entries.map(({ change }) => change.id));
  expect(world.next()).toBeUndefined();
  if (resumed) world.lane.land(resumed, true, world.nowUs);
  world.keep();
  expect(world.restart(1, records)).toEqual([]);
  world.nowUs += HOUR;
  expect(world.send()).toEqual(["d2 resolved + d3 firing"]);
});

test("whatever happens and wherever it crashes: each change is told once, in order, and nothing is left", () => {
  const step = fc.record({
    device: fc.integer({ min: 0, max: 3 }),
    act: fc.constantFrom("write", "send", "give-up", "crash", "crash-flying", "wait"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, grouped) => {
      const defaults = grouped ? { group_by: ["site"], group_wait: "0s", group_interval: "0s" } : {};
      const world = new World({ defaults: { ...defaults, repeat_interval: "never" } }, false);
      const told = new Map<string, number>();
      const rounds = [0, 0, 0, 0];
      const order = new Map<string, number>();
      const record = (flight: Flight): void => {
        for (const { alert, sequence, change } of flight.entries) {
          told.set(change.id, (told.get(change.id) ?? 0) + 1);
          expect(sequence).toBeGreaterThan(order.get(alert) ?? 0);
          order.set(alert, sequence);
        }
      };
      let written = 0;
      for (const { device, act } of steps) {
        if (act === "write") {
          const n = rounds[device] ?? 0;
          rounds[device] = n + 1;
          written++;
          world.take({ device: `d${device}`, round: Math.floor(n / 2), state: n % 2 === 0 ? "firing" : "resolved" });
        } else if (act === "wait") world.nowUs += MINUTE;
        else if (act === "crash") {
          world.keep();
          const cursor = world.lane.cursor();
          world.restart(cursor);
        } else {
          const flight = world.next();
          if (flight === undefined) continue;
          const kept = world.lane.flightRecords();
          const cursor = world.lane.cursor();
          const landing = act === "crash-flying" ? world.restart(cursor, kept) : [flight];
          expect(landing.map(({ id }) => id)).toEqual([flight.id]);
          for (const each of landing) {
            record(each);
            world.lane.land(each, act !== "give-up", world.nowUs);
          }
          world.keep();
        }
      }
      world.nowUs += MINUTE;
      for (let flight = world.next(); flight !== undefined; flight = world.next()) {
        record(flight);
        world.lane.land(flight, true, world.nowUs);
      }
      expect([...told.values()].filter((times) => times !== 1)).toEqual([]);
      expect(told.size).toBe(written);
      expect(world.lane.cursor()).toBe(world.sequence + 1);
    }),
    { numRuns: 300 },
  );
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { QueueWorld } from "../testing/queue-kit.ts";
import type { InFlight } from "./queue-types.ts";

const S = 1_000_000;
const MINUTE = 60 * S;
const HOUR = 60 * MINUTE;

test("firing and resolved are sent at once, one notification each; pending and inactive are not", () => {
  const world = new QueueWorld();
  world.add({ state: "pending" });
  world.add({ state: "firing" });
  expect(world.send()).toEqual(["d1 firing"]);
  world.add({ state: "resolved" });
  expect(world.send()).toEqual(["d1 resolved"]);
  world.add({ device: "d2", state: "pending" });
  world.add({ device: "d2", state: "inactive" });
  world.add({ notify: ["others"] });
  expect(world.send()).toEqual([]);
  expect(world.queue.cursor()).toBe(world.sequence + 1);
});

test("pending is sent if `states` includes it, and so is its end", () => {
  const world = new QueueWorld({ defaults: { states: ["pending", "firing", "resolved", "inactive"] } });
  world.add({ state: "pending" });
  expect(world.send()).toEqual(["d1 pending"]);
  world.add({ state: "inactive" });
  expect(world.send()).toEqual(["d1 inactive"]);
});

test("resolved never overtakes firing: an alert has one notification in flight", () => {
  const world = new QueueWorld();
  world.add();
  const inFlight = world.next();
  world.add({ state: "resolved" });
  expect(world.next()).toBeUndefined();
  expect(world.queue.cursor()).toBe(1);
  if (inFlight) world.queue.finish(inFlight, "delivered", world.nowUs);
  expect(world.queue.cursor()).toBe(2);
  expect(world.send()).toEqual(["d1 resolved"]);
});

test("an incident that ends before it is sent is collapsed, or sent in order without `collapse`", () => {
  const quiet = new QueueWorld();
  quiet.add();
  quiet.add({ state: "resolved" });
  expect(quiet.send()).toEqual([]);
  expect(quiet.decided).toEqual([
    expect.stringMatching(/firing collapsed$/),
    expect.stringMatching(/resolved collapsed$/),
  ]);
  const full = new QueueWorld({}, false);
  full.add();
  full.add({ state: "resolved" });
  expect(full.send()).toEqual(["d1 firing", "d1 resolved"]);
});

test("the end is sent after a notification was given up: the beginning may have arrived", () => {
  const world = new QueueWorld();
  world.add();
  expect(world.send("failed")).toEqual(["d1 firing"]);
  world.add({ state: "resolved" });
  expect(world.send()).toEqual(["d1 resolved"]);
});

test.each([
  ["an alert of a shadow rule", { muted: true } as const],
  ["one in a log older than the field", { labels: { weir_muted: "true" } }],
])("%s is recorded, and notifies nobody", (_, muted) => {
  const world = new QueueWorld();
  world.add(muted);
  world.add({ ...muted, state: "resolved" });
  world.nowUs += 100 * HOUR;
  expect(world.send()).toEqual([]);
  expect(world.decided).toEqual([expect.stringMatching(/firing muted$/), expect.stringMatching(/resolved muted$/)]);
});

test("a group waits for its first alerts, and then between notifications", () => {
  const world = new QueueWorld({ defaults: { group_by: ["site"], group_wait: "30s", group_interval: "5m" } });
  world.add({ device: "d1" });
  world.nowUs += 20 * S;
  world.add({ device: "d2" });
  world.add({ device: "far", site: "south" });
  expect(world.send()).toEqual([]);
  world.nowUs += 10 * S;
  expect(world.send()).toEqual(["d1 firing + d2 firing"]);
  world.nowUs += 20 * S;
  expect(world.send()).toEqual(["far firing"]);
  world.add({ device: "d3" });
  world.add({ device: "d1", state: "resolved" });
  world.nowUs += 4 * MINUTE;
  expect(world.send()).toEqual([]);
  world.nowUs += MINUTE;
  expect(world.send()).toEqual(["d3 firing + d1 resolved"]);
});

test("an alert stays in its group when an edit of the rule changes its labels", () => {
  const world = new QueueWorld({ defaults: { group_by: ["team"], group_wait: "0s", group_interval: "0s" } });
  world.add({ labels: { team: "a" } });
  expect(world.next()?.notification.labels).toEqual({ team: "a" });
  const [inFlight] = world.restart(1);
  if (inFlight) world.queue.finish(inFlight, "delivered", world.nowUs);
  world.add({ state: "resolved", labels: { team: "b" } });
  expect(world.next()?.notification.labels).toEqual({ team: "a" });
});

test("an alert that still fires is repeated at the route's interval until it is acknowledged", () => {
  const world = new QueueWorld({
    routes: [{ match: { severity: "critical" }, receivers: ["ops"], repeat_interval: "1h" }],
  });
  world.add({ severity: "critical" });
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
  world.add({ severity: "critical", state: "resolved" });
  expect(world.send()).toEqual(["d1 resolved"]);
  world.nowUs += 10 * HOUR;
  expect(world.send()).toEqual([]);
});

test("a group is repeated as a whole; `never` repeats nothing", () => {
  const grouped = new QueueWorld({
    defaults: { group_by: [], group_wait: "0s", group_interval: "0s", repeat_interval: "1h" },
  });
  grouped.add({ device: "d1" });
  grouped.send();
  grouped.nowUs += HOUR / 2;
  grouped.add({ device: "d2" });
  grouped.send();
  grouped.nowUs += HOUR / 2;
  expect(grouped.send()).toEqual(["d1 firing + d2 firing again 1"]);
  grouped.nowUs += HOUR / 2;
  expect(grouped.send()).toEqual([]);
  const once = new QueueWorld({ defaults: { repeat_interval: "never" } });
  once.add();
  once.send();
  once.nowUs += 1_000 * HOUR;
  expect(once.send()).toEqual([]);
});

test("a silence holds alerts; those that still fire when it ends are sent", () => {
  const world = new QueueWorld();
  world.silenced = true;
  world.add({ device: "d1" });
  world.add({ device: "d2" });
  expect(world.send()).toEqual([]);
  world.add({ device: "d2", state: "resolved" });
  expect(world.send()).toEqual([]);
  world.store();
  world.restart(world.queue.cursor());
  world.silenced = false;
  world.nowUs += S;
  // The first call finds it in its scan, the second sends it.
  expect([...world.send(), ...world.send()]).toEqual(["d1 firing"]);
  world.silenced = true;
  world.nowUs += 10 * HOUR;
  expect(world.send()).toEqual([]);
  world.add({ device: "d1", state: "resolved" });
  expect(world.send()).toEqual(["d1 resolved"]);
});

test("after a long downtime, ended incidents are skipped, and firing alerts are sent", () => {
  const world = new QueueWorld({}, false);
  world.add({ device: "sent" });
  expect(world.send()).toEqual(["sent firing"]);
  world.store();
  const cursor = world.queue.cursor();
  world.write({ device: "sent", state: "resolved" });
  world.write({ device: "over" });
  world.write({ device: "over", state: "resolved" });
  world.write({ device: "fires" });
  world.write({ device: "again" });
  world.write({ device: "again", state: "resolved" });
  world.write({ device: "again", round: 2 });
  world.nowUs += 24 * HOUR;
  world.restart(cursor);
  expect(world.send()).toEqual(["sent resolved", "fires firing", "again firing"]);
  expect(world.decided.filter((text) => text.endsWith("skipped"))).toHaveLength(2);
});

test("the end is sent after the beginning, even if no route matches it any more", () => {
  const world = new QueueWorld();
  world.add();
  world.send();
  world.add({ state: "resolved", notify: [] });
  expect(world.send()).toEqual(["d1 resolved"]);
});

test("a notification in flight keeps its id and content across a crash; one that arrived is not resent", () => {
  const world = new QueueWorld({ defaults: { group_by: [], group_wait: "0s" } });
  world.add({ device: "d1" });
  world.add({ device: "d2" });
  const inFlight = world.next();
  const records = world.queue.inFlightRecords();
  world.add({ device: "d2", state: "resolved" });
  world.add({ device: "d3" });
  const [resumed] = world.restart(1, records);
  expect(resumed?.notification).toEqual(inFlight?.notification);
  expect(world.next()).toBeUndefined();
  if (resumed) world.queue.finish(resumed, "delivered", world.nowUs);
  world.store();
  expect(world.restart(1, records)).toEqual([]);
  world.nowUs += HOUR;
  expect(world.send()).toEqual(["d2 resolved + d3 firing"]);
});

test("property: across crashes, each change is sent once, in order, and none remains", () => {
  const step = fc.record({
    device: fc.integer({ min: 0, max: 3 }),
    act: fc.constantFrom("write", "send", "give-up", "crash", "crash-in-flight", "wait"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, grouped) => {
      const defaults = grouped ? { group_by: ["site"], group_wait: "0s", group_interval: "0s" } : {};
      const world = new QueueWorld({ defaults: { ...defaults, repeat_interval: "never" } }, false);
      const sent = new Map<string, number>();
      const rounds = [0, 0, 0, 0];
      const order = new Map<string, number>();
      const record = ({ notification }: InFlight): void => {
        for (const { alert, sequence, change } of notification.changes) {
          sent.set(change.id, (sent.get(change.id) ?? 0) + 1);
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
          world.add({ device: `d${device}`, round: Math.floor(n / 2), state: n % 2 === 0 ? "firing" : "resolved" });
        } else if (act === "wait") world.nowUs += MINUTE;
        else if (act === "crash") {
          world.store();
          const cursor = world.queue.cursor();
          world.restart(cursor);
        } else {
          const inFlight = world.next();
          if (inFlight === undefined) continue;
          const stored = world.queue.inFlightRecords();
          const cursor = world.queue.cursor();
          const delivered = act === "crash-in-flight" ? world.restart(cursor, stored) : [inFlight];
          expect(delivered.map(({ notification }) => notification.id)).toEqual([inFlight.notification.id]);
          for (const each of delivered) {
            record(each);
            world.queue.finish(each, act === "give-up" ? "failed" : "delivered", world.nowUs);
          }
          world.store();
        }
      }
      world.nowUs += MINUTE;
      for (let inFlight = world.next(); inFlight !== undefined; inFlight = world.next()) {
        record(inFlight);
        world.queue.finish(inFlight, "delivered", world.nowUs);
      }
      expect([...sent.values()].filter((times) => times !== 1)).toEqual([]);
      expect(sent.size).toBe(written);
      expect(world.queue.cursor()).toBe(world.sequence + 1);
    }),
    { numRuns: 300 },
  );
});

test("a record has every decision that the log does not have yet, and eight in all others", () => {
  const world = new QueueWorld();
  world.silenced = true;
  for (let round = 1; round <= 12; round++) {
    world.add({ round });
    world.add({ round, state: "resolved" });
    expect(world.send()).toEqual([]);
  }
  const [first] = world.queue.takeRecords();
  expect(new Set(first?.record.deliveries.map(({ incident }) => incident)).size).toBe(12);
  expect(first?.record.deliveries).toHaveLength(24);
  world.add({ round: 13 });
  world.send();
  expect(world.queue.takeRecords()[0]?.record.deliveries).toHaveLength(8);
});

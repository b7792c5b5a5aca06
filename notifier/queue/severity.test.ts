import { expect, test } from "vitest";
import { QueueWorld } from "../testing/queue-kit.ts";

const MINUTE = 60_000_000;
const routes = [{ match: { severity: "critical" }, receivers: ["ops"], repeat_interval: "1h" }];

test("each severity of an incident is a notification of its own", () => {
  const world = new QueueWorld();
  world.add({ severity: "warning" });
  expect(world.send()).toEqual(["d1 firing"]);
  world.add({ severity: "critical", severityBefore: "warning" });
  expect(world.send()).toEqual(["d1 firing"]);
  world.add({ severity: "critical", state: "resolved" });
  expect(world.send()).toEqual(["d1 resolved"]);
});

test("a receiver of critical alerts is notified when one becomes critical, and of its end, whatever it is by then", () => {
  const world = new QueueWorld({ routes });
  world.add({ severity: "warning", notify: [] });
  expect(world.send()).toEqual([]);
  world.add({ severity: "critical", severityBefore: "warning", notify: [] });
  expect(world.send()).toEqual(["d1 firing"]);
  world.add({ severity: "warning", severityBefore: "critical", notify: [] });
  expect(world.send()).toEqual([]);
  world.nowUs += 90 * MINUTE;
  expect(world.send()).toEqual([]);
  world.add({ severity: "warning", state: "resolved", notify: [] });
  expect(world.send()).toEqual(["d1 resolved"]);
});

test("a receiver of critical alerts hears nothing of an incident that never was one", () => {
  const world = new QueueWorld({ routes });
  world.add({ severity: "warning", notify: [] });
  world.add({ severity: "info", severityBefore: "warning", notify: [] });
  world.add({ severity: "info", state: "resolved", notify: [] });
  expect(world.send()).toEqual([]);
});

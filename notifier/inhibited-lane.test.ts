import fc from "fast-check";
import { expect, test } from "vitest";
import type { AlertState } from "../domain/alert.ts";
import { World } from "./testing/lane-kit.ts";
import { type ChangeOptions, changeOf } from "./testing/test-kit.ts";

const S = 1_000_000;
const HOUR = 3_600 * S;
const INHIBITED_BY = [{ rule: "gateway-down", equal: ["site"] }];
const WAIT = 15 * S;
const AFTER = 60 * S;

function gateway(state: AlertState = "firing", round = 1): ChangeOptions {
  return { rule: "gateway-down", device: "gw", state, round };
}
function sensor(device: string, state: AlertState = "firing", round = 1): ChangeOptions {
  return { device, state, round, inhibitedBy: INHIBITED_BY };
}
const down = changeOf(gateway()).incident;

/** All that is sent by now: a scan finds what is free again, the next look sends it. */
function sent(world: World): string[] {
  return [...world.send(), ...world.send()];
}

test("what begins while another incident fires is told when that ended, if it still fires then", () => {
  const world = new World({ defaults: { repeat_interval: "never" } });
  world.take(gateway());
  expect(world.send()).toEqual(["gw firing"]);
  world.take(sensor("d1"));
  world.take(sensor("d2"));
  world.take({ ...sensor("far"), site: "south" });
  expect(world.send()).toEqual([]);
  expect(world.settled.filter((text) => text.endsWith("firing inhibited"))).toHaveLength(2);
  const [delivery] = world.lane.deliveriesOf(`hot.${world.entries[1]?.alert.slice("hot.".length)}`);
  expect(delivery).toMatchObject({ outcome: "inhibited", inhibitedBy: [down] });
  world.nowUs += WAIT;
  expect(world.send()).toEqual(["far firing"]);
  world.take(gateway("resolved"));
  world.take(sensor("d2", "resolved"));
  expect(sent(world)).toEqual(["gw resolved"]);
  world.nowUs += AFTER;
  expect(sent(world)).toEqual(["d1 firing"]);
  // It is remembered what it waited for.
  expect(world.lane.deliveriesOf(world.entries[1]?.alert ?? "")).toMatchObject([
    { outcome: "delivered", inhibitedBy: [down] },
  ]);
  world.take(sensor("d1", "resolved"));
  expect(world.send()).toEqual(["d1 resolved"]);
  world.nowUs += 10 * HOUR;
  expect(sent(world)).toEqual([]);
});

test("the cause may come after its consequences, within the wait; what has no inhibitors does not wait", () => {
  const world = new World();
  world.take(sensor("d1"));
  world.take({ device: "plain" });
  expect(world.send()).toEqual(["plain firing"]);
  expect(world.lane.cursor()).toBe(1);
  world.nowUs += WAIT - 2;
  expect(world.send()).toEqual([]);
  world.take(gateway());
  world.nowUs += 1;
  expect(world.send()).toEqual(["gw firing"]);
  world.nowUs += 1;
  expect(world.send()).toEqual([]);
  expect(world.lane.cursor()).toBe(world.sequence + 1);
  world.nowUs += HOUR;
  expect(sent(world)).toEqual([]);
});

test("a wait of nothing tells at once", () => {
  const world = new World({ inhibit_wait: "0s", inhibit_after: "0s" });
  world.take(sensor("d1"));
  expect(world.send()).toEqual(["d1 firing"]);
  world.take(gateway());
  world.take(sensor("d2"));
  expect(world.send()).toEqual(["gw firing"]);
  world.take(gateway("resolved"));
  world.nowUs += S;
  expect(sent(world)).toEqual(["gw resolved", "d2 firing"]);
});

test("consequences that end soon after their cause are never told", () => {
  const world = new World({}, false);
  world.take(gateway());
  world.take(sensor("d1"));
  world.send();
  world.take(gateway("resolved"));
  world.nowUs += AFTER - S;
  world.take(sensor("d1", "resolved"));
  expect(sent(world)).toEqual(["gw resolved"]);
  world.nowUs += HOUR;
  expect(sent(world)).toEqual([]);
});

test("who was told the beginning is told the end, inhibited or not; repeats pause meanwhile", () => {
  const world = new World({ defaults: { repeat_interval: "1h" } });
  world.take(sensor("d1"));
  world.take(sensor("d2"));
  world.nowUs += WAIT;
  expect(world.send()).toEqual(["d1 firing", "d2 firing"]);
  world.take(gateway());
  expect(world.send()).toEqual(["gw firing"]);
  world.nowUs += HOUR;
  expect(sent(world)).toEqual(["gw firing again 1"]);
  world.take(sensor("d1", "resolved"));
  expect(sent(world)).toEqual(["d1 resolved"]);
  world.take(gateway("resolved"));
  expect(sent(world)).toEqual(["gw resolved"]);
  world.nowUs += AFTER;
  expect(sent(world)).toEqual(["d2 firing again 1"]);
});

test("pending is held likewise, and an incident that was told as pending is told its end", () => {
  const states = ["pending", "firing", "resolved", "inactive"];
  const world = new World({ defaults: { states }, inhibit_wait: "0s" });
  world.take(sensor("told", "pending"));
  expect(world.send()).toEqual(["told pending"]);
  world.take(gateway());
  world.take(sensor("told"));
  world.take(sensor("held", "pending"));
  expect(sent(world)).toEqual(["gw firing"]);
  world.take(sensor("told", "resolved"));
  world.take(sensor("held", "inactive"));
  world.nowUs += S;
  expect(sent(world)).toEqual(["told resolved"]);
});

test("a silence and an inhibition: told when both are over", () => {
  const world = new World();
  world.silenced = true;
  world.take(gateway());
  world.take(sensor("d1"));
  expect(sent(world)).toEqual([]);
  // The cause itself is silenced, and inhibits all the same.
  world.silenced = false;
  world.nowUs += S;
  expect(sent(world)).toEqual(["gw firing"]);
  world.silenced = true;
  world.take(gateway("resolved"));
  world.nowUs += AFTER;
  expect(sent(world)).toEqual(["gw resolved"]);
  world.silenced = false;
  world.nowUs += S;
  expect(sent(world)).toEqual(["d1 firing"]);
});

test("of a circle the first is told, and the others when it is over", () => {
  const world = new World();
  const probe = (rule: string, others: string, state: AlertState = "firing"): ChangeOptions => ({
    ...{ rule, device: rule, state, inhibitedBy: [{ rule: others, equal: ["site"] }] },
  });
  world.take(probe("probe-a", "probe-*"));
  world.nowUs += S;
  world.take(probe("probe-b", "probe-*"));
  world.nowUs += WAIT;
  expect(sent(world)).toEqual(["probe-a firing"]);
  world.take(probe("probe-a", "probe-*", "resolved"));
  world.nowUs += AFTER;
  expect(sent(world)).toEqual(["probe-a resolved", "probe-b firing"]);
});

test("in a group only what is not held goes out, and what is free again comes with the group", () => {
  const world = new World({
    defaults: { group_by: ["site"], group_wait: "30s", group_interval: "1m", repeat_interval: "never" },
  });
  world.take(sensor("d1"));
  world.take(sensor("d2"));
  world.take(gateway());
  world.nowUs += 30 * S;
  expect(sent(world)).toEqual(["gw firing"]);
  world.nowUs += HOUR;
  world.take(gateway("resolved"));
  expect(sent(world)).toEqual(["gw resolved"]);
  world.nowUs += 60 * S;
  expect(sent(world)).toEqual(["d1 firing + d2 firing"]);
});

test("after a crash it is the same: waiting, held, and free again", () => {
  const world = new World();
  const crash = (): void => {
    world.keep();
    world.restart(world.lane.cursor());
  };
  world.take(sensor("d1"));
  crash();
  expect(sent(world)).toEqual([]);
  world.take(gateway());
  crash();
  expect(sent(world)).toEqual(["gw firing"]);
  crash();
  world.nowUs += HOUR;
  expect(sent(world)).toEqual([]);
  world.take(gateway("resolved"));
  crash();
  expect(sent(world)).toEqual(["gw resolved"]);
  crash();
  world.nowUs += AFTER - 1;
  expect(sent(world)).toEqual([]);
  crash();
  world.nowUs += S;
  expect(sent(world)).toEqual(["d1 firing"]);
});

test("what began and ended under a cause while nobody looked is not told either, though nothing is collapsed", () => {
  const world = new World({}, false);
  const cursor = world.lane.cursor();
  world.write(sensor("held"));
  world.write(gateway());
  world.write(sensor("held", "resolved"));
  world.write({ ...sensor("far"), site: "south" });
  world.write({ ...sensor("far", "resolved"), site: "south" });
  world.write(gateway("resolved"));
  world.nowUs += 1_800 * S;
  world.restart(cursor);
  expect(sent(world).sort()).toEqual(["far firing", "far resolved", "gw firing", "gw resolved"]);
  expect(world.settled.filter((text) => text.endsWith("inhibited"))).toHaveLength(1);
});

test("whatever happens and wherever it crashes: begun is ended, nobody is told while a cause fires, and all that fires is told in the end", () => {
  const step = fc.record({
    who: fc.integer({ min: 0, max: 3 }),
    act: fc.constantFrom("write", "write", "send", "crash", "wait"),
  });
  let held = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: "max" }), fc.boolean(), (steps, collapse) => {
      const world = new World({ defaults: { repeat_interval: "never" } }, collapse);
      const rounds = [0, 0, 0, 0];
      const told: string[] = [];
      const fires = (who: number): boolean => (rounds[who] ?? 0) % 2 === 1;
      const send = (): void => {
        // A scan, and a look: as often as the sender asks.
        for (const text of sent(world)) {
          told.push(text);
          if (!/^gw|resolved/.test(text)) expect(fires(0)).toBe(false);
        }
      };
      for (const { who, act } of steps) {
        if (act === "write") {
          const n = rounds[who] ?? 0;
          rounds[who] = n + 1;
          const state = n % 2 === 0 ? "firing" : "resolved";
          const round = Math.floor(n / 2);
          world.take(who === 0 ? gateway(state, round) : sensor(`d${who}`, state, round));
        } else if (act === "send") send();
        else if (act === "wait") world.nowUs += 20 * S;
        else {
          world.keep();
          world.restart(world.lane.cursor());
        }
      }
      if (fires(0)) {
        world.take(gateway("resolved", Math.floor((rounds[0] ?? 0) / 2)));
        rounds[0] = (rounds[0] ?? 0) + 1;
      }
      for (let i = 0; i < 4; i++) {
        world.nowUs += AFTER / 2;
        send();
      }
      for (const [who, name] of ["gw", "d1", "d2", "d3"].entries()) {
        const own = told.filter((text) => text.startsWith(`${name} `));
        // Beginnings and ends take turns, and the last one says how it is.
        expect(own.map((text, i) => text === `${name} ${i % 2 === 0 ? "firing" : "resolved"}`)).not.toContain(false);
        expect(own.length % 2).toBe(fires(who) ? 1 : 0);
      }
      held += world.settled.filter((text) => text.endsWith("inhibited")).length;
      expect(world.lane.cursor()).toBe(world.sequence + 1);
    }),
    { numRuns: 400 },
  );
  expect(held).toBeGreaterThan(100);
});

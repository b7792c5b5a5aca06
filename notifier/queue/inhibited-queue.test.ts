import fc from "fast-check";
import { expect, test } from "vitest";
import type { AlertState } from "../../domain/alert.ts";
import { QueueWorld } from "../testing/queue-kit.ts";
import { type ChangeOptions, changeOf } from "../testing/test-kit.ts";

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

/** Sends everything due: the first call finds freed alerts in its scan, the second sends them. */
function sent(world: QueueWorld): string[] {
  return [...world.send(), ...world.send()];
}

test("an alert that begins while its cause fires is sent once the cause has ended, if it still fires", () => {
  const world = new QueueWorld({ defaults: { repeat_interval: "never" } });
  world.add(gateway());
  expect(world.send()).toEqual(["gw firing"]);
  world.add(sensor("d1"));
  world.add(sensor("d2"));
  world.add({ ...sensor("far"), site: "south" });
  expect(world.send()).toEqual([]);
  expect(world.decided.filter((text) => text.endsWith("firing inhibited"))).toHaveLength(2);
  const [delivery] = world.queue.deliveriesOf(`hot.${world.log[1]?.alert.slice("hot.".length)}`);
  expect(delivery).toMatchObject({ outcome: "inhibited", inhibitedBy: [down] });
  world.nowUs += WAIT;
  expect(world.send()).toEqual(["far firing"]);
  world.add(gateway("resolved"));
  world.add(sensor("d2", "resolved"));
  expect(sent(world)).toEqual(["gw resolved"]);
  world.nowUs += AFTER;
  expect(sent(world)).toEqual(["d1 firing"]);
  // Its delivery still names the incident that inhibited it.
  expect(world.queue.deliveriesOf(world.log[1]?.alert ?? "")).toMatchObject([
    { outcome: "delivered", inhibitedBy: [down] },
  ]);
  world.add(sensor("d1", "resolved"));
  expect(world.send()).toEqual(["d1 resolved"]);
  world.nowUs += 10 * HOUR;
  expect(sent(world)).toEqual([]);
});

test("the cause may arrive after its effects, within the wait; an alert without possible causes does not wait", () => {
  const world = new QueueWorld();
  world.add(sensor("d1"));
  world.add({ device: "plain" });
  expect(world.send()).toEqual(["plain firing"]);
  expect(world.queue.cursor()).toBe(1);
  world.nowUs += WAIT - 2;
  expect(world.send()).toEqual([]);
  world.add(gateway());
  world.nowUs += 1;
  expect(world.send()).toEqual(["gw firing"]);
  world.nowUs += 1;
  expect(world.send()).toEqual([]);
  expect(world.queue.cursor()).toBe(world.sequence + 1);
  world.nowUs += HOUR;
  expect(sent(world)).toEqual([]);
});

test("with a wait of 0 s an alert is sent at once", () => {
  const world = new QueueWorld({ inhibit_wait: "0s", inhibit_after: "0s" });
  world.add(sensor("d1"));
  expect(world.send()).toEqual(["d1 firing"]);
  world.add(gateway());
  world.add(sensor("d2"));
  expect(world.send()).toEqual(["gw firing"]);
  world.add(gateway("resolved"));
  world.nowUs += S;
  expect(sent(world)).toEqual(["gw resolved", "d2 firing"]);
});

test("effects that end soon after their cause are never sent", () => {
  const world = new QueueWorld({}, false);
  world.add(gateway());
  world.add(sensor("d1"));
  world.send();
  world.add(gateway("resolved"));
  world.nowUs += AFTER - S;
  world.add(sensor("d1", "resolved"));
  expect(sent(world)).toEqual(["gw resolved"]);
  world.nowUs += HOUR;
  expect(sent(world)).toEqual([]);
});

test("once the beginning was sent, the end is sent too, inhibited or not; repeats pause while inhibited", () => {
  const world = new QueueWorld({ defaults: { repeat_interval: "1h" } });
  world.add(sensor("d1"));
  world.add(sensor("d2"));
  world.nowUs += WAIT;
  expect(world.send()).toEqual(["d1 firing", "d2 firing"]);
  world.add(gateway());
  expect(world.send()).toEqual(["gw firing"]);
  world.nowUs += HOUR;
  expect(sent(world)).toEqual(["gw firing again 1"]);
  world.add(sensor("d1", "resolved"));
  expect(sent(world)).toEqual(["d1 resolved"]);
  world.add(gateway("resolved"));
  expect(sent(world)).toEqual(["gw resolved"]);
  world.nowUs += AFTER;
  expect(sent(world)).toEqual(["d2 firing again 1"]);
});

test("pending is inhibited too, and the end of an incident that was sent as pending is sent", () => {
  const states = ["pending", "firing", "resolved", "inactive"];
  const world = new QueueWorld({ defaults: { states }, inhibit_wait: "0s" });
  world.add(sensor("sent", "pending"));
  expect(world.send()).toEqual(["sent pending"]);
  world.add(gateway());
  world.add(sensor("sent"));
  world.add(sensor("held", "pending"));
  expect(sent(world)).toEqual(["gw firing"]);
  world.add(sensor("sent", "resolved"));
  world.add(sensor("held", "inactive"));
  world.nowUs += S;
  expect(sent(world)).toEqual(["sent resolved"]);
});

test("a silence and an inhibition: sent when both have ended", () => {
  const world = new QueueWorld();
  world.silenced = true;
  world.add(gateway());
  world.add(sensor("d1"));
  expect(sent(world)).toEqual([]);
  // The cause itself is silenced, and still inhibits.
  world.silenced = false;
  world.nowUs += S;
  expect(sent(world)).toEqual(["gw firing"]);
  world.silenced = true;
  world.add(gateway("resolved"));
  world.nowUs += AFTER;
  expect(sent(world)).toEqual(["gw resolved"]);
  world.silenced = false;
  world.nowUs += S;
  expect(sent(world)).toEqual(["d1 firing"]);
});

test("of a circle of rules, the first alert is sent, and the others once it has ended", () => {
  const world = new QueueWorld();
  const probe = (rule: string, others: string, state: AlertState = "firing"): ChangeOptions => ({
    ...{ rule, device: rule, state, inhibitedBy: [{ rule: others, equal: ["site"] }] },
  });
  world.add(probe("probe-a", "probe-*"));
  world.nowUs += S;
  world.add(probe("probe-b", "probe-*"));
  world.nowUs += WAIT;
  expect(sent(world)).toEqual(["probe-a firing"]);
  world.add(probe("probe-a", "probe-*", "resolved"));
  world.nowUs += AFTER;
  expect(sent(world)).toEqual(["probe-a resolved", "probe-b firing"]);
});

test("a group sends only alerts that are not inhibited, and freed alerts with its next notification", () => {
  const world = new QueueWorld({
    defaults: { group_by: ["site"], group_wait: "30s", group_interval: "1m", repeat_interval: "never" },
  });
  world.add(sensor("d1"));
  world.add(sensor("d2"));
  world.add(gateway());
  world.nowUs += 30 * S;
  expect(sent(world)).toEqual(["gw firing"]);
  world.nowUs += HOUR;
  world.add(gateway("resolved"));
  expect(sent(world)).toEqual(["gw resolved"]);
  world.nowUs += 60 * S;
  expect(sent(world)).toEqual(["d1 firing + d2 firing"]);
});

test("waiting, inhibited and freed alerts survive a crash", () => {
  const world = new QueueWorld();
  const crash = (): void => {
    world.store();
    world.restart(world.queue.cursor());
  };
  world.add(sensor("d1"));
  crash();
  expect(sent(world)).toEqual([]);
  world.add(gateway());
  crash();
  expect(sent(world)).toEqual(["gw firing"]);
  crash();
  world.nowUs += HOUR;
  expect(sent(world)).toEqual([]);
  world.add(gateway("resolved"));
  crash();
  expect(sent(world)).toEqual(["gw resolved"]);
  crash();
  world.nowUs += AFTER - 1;
  expect(sent(world)).toEqual([]);
  crash();
  world.nowUs += S;
  expect(sent(world)).toEqual(["d1 firing"]);
});

test("an incident that began and ended during a downtime while its cause fired is not sent, even without `collapse`", () => {
  const world = new QueueWorld({}, false);
  const cursor = world.queue.cursor();
  world.write(sensor("held"));
  world.write(gateway());
  world.write(sensor("held", "resolved"));
  world.write({ ...sensor("far"), site: "south" });
  world.write({ ...sensor("far", "resolved"), site: "south" });
  world.write(gateway("resolved"));
  world.nowUs += 1_800 * S;
  world.restart(cursor);
  expect(sent(world).sort()).toEqual(["far firing", "far resolved", "gw firing", "gw resolved"]);
  expect(world.decided.filter((text) => text.endsWith("inhibited"))).toHaveLength(1);
});

test("property: across crashes, beginnings are followed by ends, nothing is sent while its cause fires, and every firing alert is eventually sent", () => {
  const step = fc.record({
    who: fc.integer({ min: 0, max: 3 }),
    act: fc.constantFrom("write", "write", "send", "crash", "wait"),
  });
  let held = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: "max" }), fc.boolean(), (steps, collapse) => {
      const world = new QueueWorld({ defaults: { repeat_interval: "never" } }, collapse);
      const rounds = [0, 0, 0, 0];
      const all: string[] = [];
      const fires = (who: number): boolean => (rounds[who] ?? 0) % 2 === 1;
      const send = (): void => {
        // As often as the sender calls it.
        for (const text of sent(world)) {
          all.push(text);
          if (!/^gw|resolved/.test(text)) expect(fires(0)).toBe(false);
        }
      };
      for (const { who, act } of steps) {
        if (act === "write") {
          const n = rounds[who] ?? 0;
          rounds[who] = n + 1;
          const state = n % 2 === 0 ? "firing" : "resolved";
          const round = Math.floor(n / 2);
          world.add(who === 0 ? gateway(state, round) : sensor(`d${who}`, state, round));
        } else if (act === "send") send();
        else if (act === "wait") world.nowUs += 20 * S;
        else {
          world.store();
          world.restart(world.queue.cursor());
        }
      }
      if (fires(0)) {
        world.add(gateway("resolved", Math.floor((rounds[0] ?? 0) / 2)));
        rounds[0] = (rounds[0] ?? 0) + 1;
      }
      for (let i = 0; i < 4; i++) {
        world.nowUs += AFTER / 2;
        send();
      }
      for (const [who, name] of ["gw", "d1", "d2", "d3"].entries()) {
        const own = all.filter((text) => text.startsWith(`${name} `));
        // Beginnings and ends alternate, and the last one matches the current state.
        expect(own.map((text, i) => text === `${name} ${i % 2 === 0 ? "firing" : "resolved"}`)).not.toContain(false);
        expect(own.length % 2).toBe(fires(who) ? 1 : 0);
      }
      held += world.decided.filter((text) => text.endsWith("inhibited")).length;
      expect(world.queue.cursor()).toBe(world.sequence + 1);
    }),
    { numRuns: 400 },
  );
  expect(held).toBeGreaterThan(100);
});

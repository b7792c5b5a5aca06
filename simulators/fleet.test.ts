import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../platform/clock.ts";
import { fleetConfig } from "./config.ts";
import { type FleetService, startFleet } from "./fleet.ts";
import { FleetDevice } from "./fleet-device.ts";
import { createRandom } from "./random.ts";
import { startTestBroker, type TestBroker } from "./testing/test-broker.ts";

const logger = pino({ level: "silent" });
let broker: TestBroker;
let fleet: FleetService | undefined;

beforeEach(async () => {
  broker = await startTestBroker();
});

afterEach(async () => {
  await fleet?.stop();
  fleet = undefined;
  await broker.stop();
});

async function start(options: Record<string, unknown>): Promise<FleetService> {
  fleet = await startFleet(fleetConfig.parse({ url: broker.url, interval: "5ms", ...options }), {
    logger,
    clock: systemClock,
  });
  return fleet;
}

function noCounts() {
  return { spikes: 0, dropouts: 0, silenced: 0, skewed: 0, duplicates: 0, outOfOrder: 0 };
}

describe("startFleet", () => {
  it("sends each reading of each device, and lists them in its ledger", async () => {
    const service = await start({ devices: 7, rounds: 5, ledger: true, connections: 3 });
    const report = await service.done;
    expect(report).toMatchObject({ devices: 7, sent: [0, 35, 0], acknowledged: 35, readings: 105, overflowed: 0 });
    const got = broker.received.flatMap(({ topic, text }) => {
      const { ts, ...values } = JSON.parse(text);
      return Object.entries(values).map(([metric, value]) => `${topic.split("/")[2]} ${metric} ${ts} ${value}`);
    });
    const ledger = service.ledger();
    expect(got.sort()).toEqual(ledger.map((e) => `${e.device} ${e.metric} ${e.tsMs} ${e.value}`).sort());
    expect(ledger.every(({ acknowledged }) => acknowledged)).toBe(true);
    expect(new Set(broker.received.map(({ topic }) => topic))).toContain("sensors/north/device-1/telemetry");
    expect(new Set(broker.received.map(({ clientId }) => clientId)).size).toBe(3);
  });

  it("publishes with all three qualities of service, each device on its own connection", async () => {
    const report = await (await start({ devices: 6, rounds: 3, qos: "mixed", connections: "per-device" })).done;
    expect(report).toMatchObject({ sent: [6, 6, 6], acknowledged: 12 });
    expect(new Set(broker.received.map(({ clientId }) => clientId)).size).toBe(6);
    expect([0, 1, 2].map((qos) => broker.received.filter((message) => message.qos === qos).length)).toEqual([6, 6, 6]);
  });

  it("reconnects after the broker is killed; every acknowledged reading has arrived", async () => {
    const service = await start({ devices: 4, ledger: true, connections: 2, interval: "10ms" });
    await expect.poll(() => broker.received.length, { timeout: 5000 }).toBeGreaterThan(20);
    await broker.kill();
    await broker.restart();
    const before = broker.received.length;
    await expect.poll(() => broker.received.length, { timeout: 5000 }).toBeGreaterThan(before + 20);
    await service.stop();
    const report = await service.done;
    expect(report.disconnected).toBe(2);
    const arrived = new Set(broker.received.map(({ topic, text }) => `${topic.split("/")[2]} ${JSON.parse(text).ts}`));
    const acknowledged = service.ledger().filter((entry) => entry.acknowledged);
    expect(acknowledged.length).toBe(report.acknowledged * 3);
    for (const { device, tsMs } of acknowledged) expect(arrived).toContain(`${device} ${tsMs}`);
  });

  it("bounds its memory while no broker is available", async () => {
    await broker.kill();
    const service = await start({
      devices: 1,
      rounds: 30,
      inflight_max: 10,
      drain: "20ms",
      ledger: true,
      ledger_max: 20,
    });
    await expect.poll(() => service.report().overflowed, { timeout: 5000 }).toBe(20);
    await service.stop();
    expect(await service.done).toMatchObject({ sent: [0, 10, 0], acknowledged: 0, ledgerOverflowed: 10 });
    expect(service.ledger().length).toBe(20);
  });
});

describe("a device of the fleet", () => {
  const faults = {
    spike: 0.1,
    dropout: 0.01,
    dropout_time: "5s",
    skewed_devices: 0.5,
    duplicate: 0.1,
    out_of_order: 0.1,
  };

  function play(options: Record<string, unknown>, devices: number, rounds: number) {
    const counts = noCounts();
    const config = fleetConfig.parse({ seed: 7, ...options });
    const messages = Array.from({ length: devices }, (_, i) => {
      const device = new FleetDevice(config, i, counts);
      return [...Array.from({ length: rounds }, (_, r) => device.next(r * 1000)).flat(), ...device.heldBack()];
    });
    return { counts, messages };
  }

  it("sends the same messages for the same seed, and others for another seed", () => {
    expect(play({ faults }, 5, 200)).toEqual(play({ faults }, 5, 200));
    expect(play({ faults }, 5, 200)).not.toEqual(play({ faults, seed: 8 }, 5, 200));
  });

  it("counts each fault that its messages show", () => {
    const { counts, messages } = play({ faults }, 20, 1000);
    let backward = 0;
    let repeated = 0;
    let spikes = 0;
    let ahead = 0;
    for (const list of messages) {
      const seen = new Set<number>();
      let newest = Number.NEGATIVE_INFINITY;
      for (const { tsMs, values } of list) {
        if (seen.has(tsMs)) repeated += 1;
        else {
          if (tsMs < newest) backward += 1;
          if ((values.temperature ?? 0) > 60 || (values.temperature ?? 0) < -20) spikes += 1;
          if (tsMs >= 3_600_000) ahead += 1;
        }
        seen.add(tsMs);
        newest = Math.max(newest, tsMs);
      }
    }
    expect(repeated).toBe(counts.duplicates);
    expect(backward).toBe(counts.outOfOrder);
    const unique = messages.flat().length - repeated;
    expect(unique + counts.silenced).toBe(20_000);
    expect(counts.dropouts).toBeGreaterThan(0);
    expect(counts.skewed).toBeGreaterThanOrEqual(ahead);
    expect(counts.skewed % 1000).toBe(0);
    // One spike in three hits the temperature; silent devices hide some of them.
    expect(spikes / counts.spikes).toBeGreaterThan(0.25);
    expect(spikes / counts.spikes).toBeLessThan(0.4);
  });

  it("has no faults by default", () => {
    const { counts, messages } = play({}, 3, 500);
    expect(counts).toEqual(noCounts());
    for (const list of messages) expect(list.map(({ tsMs }) => tsMs)).toEqual(list.map((_, i) => i * 1000));
  });
});

describe("createRandom", () => {
  it("has the documented distributions", () => {
    const random = createRandom(3);
    const uniform = Array.from({ length: 20_000 }, () => random.next());
    const normal = Array.from({ length: 20_000 }, () => random.normal());
    const mean = (list: number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
    expect(mean(uniform)).toBeCloseTo(0.5, 1);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...uniform)).toBeLessThan(1);
    expect(mean(normal)).toBeCloseTo(0, 1);
    expect(mean(normal.map((x) => x * x))).toBeCloseTo(1, 1);
    expect(normal.every(Number.isFinite)).toBe(true);
  });
});

import { expect, test } from "vitest";
import type { DeviceItem, ReadingItem } from "../../contracts/feed/protocol.ts";
import { systemClock } from "../../platform/clock.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { appendReadings, reading, startReadyFeed, type TestFeed, until } from "../testing/test-kit.ts";

const MIN = 60_000_000;
function start(log: ReturnType<typeof createMemoryLog>): Promise<TestFeed> {
  return startReadyFeed({ log, config: { history: { lookback_entries_max: 1 } } });
}

test("a device that died long before a restart is still there, silent since it stopped", async () => {
  const log = createMemoryLog({ nowUs: systemClock.nowUs });
  const stoppedUs = systemClock.nowUs() - 2 * 1_440 * MIN;
  const first = await start(log);
  for (let i = -20; i <= 0; i++) {
    const receivedAtUs = stoppedUs + i * MIN;
    await appendReadings(
      log,
      [reading({ atUs: receivedAtUs, value: 5 + i }), reading({ atUs: receivedAtUs, metric: "mode", value: "cool" })],
      {
        receivedAtUs,
      },
    );
  }
  for (let i = 0; i < 5; i++)
    await appendReadings(log, [reading({ atUs: i, device: "other" })], { receivedAtUs: systemClock.nowUs() });
  const client = await first.connect();
  client.send({ type: "subscribe", id: "d", channel: "devices" });
  await until("both devices", () => new Set(client.items<DeviceItem>("d").map(({ device }) => device)).size === 2);
  await first.stop();

  const second = await start(log);
  const again = await second.connect();
  again.send({ type: "subscribe", id: "d", channel: "devices" });
  again.send({ type: "subscribe", id: "r", channel: "readings" });
  const { items } = await again.waitFor("snapshot", "d");
  expect((items as DeviceItem[]).find(({ device }) => device === "cold-1")).toMatchObject({
    tags: { site: "north" },
    lastSeenUs: stoppedUs,
    silentFromUs: stoppedUs + 3 * MIN,
    expectedEveryUs: MIN,
    readings: 0,
    metrics: { temperature: { atUs: stoppedUs, value: 5 }, mode: { value: "cool" } },
  });
  const readings = (await again.waitFor("snapshot", "r")).items as ReadingItem[];
  expect(readings.filter(({ device }) => device === "cold-1")).toHaveLength(2);
  const answer = await (await fetch(`${second.url}/api/v1/devices?device=cold-1`)).json();
  expect(answer).toMatchObject({ devices: [{ silentSinceUs: stoppedUs + 3 * MIN }] });

  // It comes back, and is one device.
  await appendReadings(log, [reading({ atUs: stoppedUs + MIN, value: 9 })], { receivedAtUs: systemClock.nowUs() });
  await until("it is back", () => again.items<DeviceItem>("d").at(-1)?.metrics.temperature?.value === 9);
  expect(again.items<DeviceItem>("d").at(-1)).toMatchObject({ readings: 1, expectedEveryUs: MIN });
});

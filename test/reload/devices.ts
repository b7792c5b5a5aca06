import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { nowUs } from "../crash/now.ts";
import { DeviceClient } from "./device-client.ts";
import { deviceName, SentReadings, siteOf } from "./sent-reading.ts";

/** A separate process: devices that publish until it gets SIGTERM, and then write a record of what they sent. */
const ROUND_MS = 10;
const ACKNOWLEDGE_MS_MAX = 60_000;
/** One device falls silent repeatedly, so that an absence comes and goes. */
const SILENT_EVERY_US = 8_000_000;
const SILENT_FOR_US = 4_000_000;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "" },
      rate: { type: "string", default: "1000" },
      devices: { type: "string", default: "100" },
      file: { type: "string", default: "" },
    },
  });
  const [port = 0, rate = 0, devices = 0] = [values.port, values.rate, values.devices].map(Number);
  const sent = new SentReadings();
  let acknowledged = 0;
  let going = true;
  process.once("SIGTERM", () => {
    going = false;
  });
  const clients = Array.from({ length: devices }, (_, device) => {
    const topic = `sensors/${siteOf(device)}/${deviceName(device)}/telemetry`;
    return new DeviceClient({
      port,
      device: deviceName(device),
      topic,
      failed: (error) => {
        throw error;
      },
      acknowledged(reference) {
        acknowledged++;
        sent.acknowledged(reference, nowUs());
      },
    });
  });
  for (const client of clients) await client.connect();
  process.stdout.write("connected\n");

  const newestUs = new Float64Array(devices);
  const startedMs = performance.now();
  for (let made = 0, asked = 0; going; await sleep(ROUND_MS)) {
    const wanted = Math.floor(((performance.now() - startedMs) / 1000) * rate);
    for (; asked < wanted; asked++) {
      const device = asked % devices;
      const atUs = Math.max(nowUs(), (newestUs[device] ?? 0) + 1);
      if (device === 0 && atUs % SILENT_EVERY_US < SILENT_FOR_US) continue;
      newestUs[device] = atUs;
      const value = temperatureOf(device, atUs, made++);
      clients[device]?.publish(`{"ts":${atUs},"temperature":${value}}`, sent.add(device, atUs, value));
    }
  }
  const untilMs = performance.now() + ACKNOWLEDGE_MS_MAX;
  while (acknowledged < sent.count && performance.now() < untilMs) await sleep(ROUND_MS);
  const seconds = (performance.now() - startedMs) / 1000;
  for (const client of clients) client.close();
  sent.save(values.file);
  process.stdout.write(`${JSON.stringify({ sent: sent.count, acknowledged, seconds })}\n`);
}

/** Between 40 and 60: a slow wave with tenths. They are not exact in binary, so sums reveal a missing reading. */
function temperatureOf(device: number, atUs: number, made: number): number {
  const wave = Math.sin(atUs / 3_000_000 + device);
  return Math.round((50 + 8 * wave + ((made * 7919) % 40) / 20 - 1) * 10) / 10;
}

await main();

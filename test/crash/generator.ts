import { parseArgs } from "node:util";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { FrameWriter } from "../../domain/frame-writer.ts";
import { readingsSubject } from "../../domain/subjects.ts";
import { Fleet, type FleetReading } from "./fleet.ts";
import { nowUs } from "./now.ts";

/** A separate process that appends readings to the log until it gets SIGTERM. It then prints what it has appended. */
const ROUND_MS = 20;
const IN_FLIGHT_MAX = 64;
const PUBLISH_TIMEOUT_MS = 30_000;
/** A frame that is sent again unchanged, as by an edge that received no acknowledgement. */
const REPEATED_FRAMES = 100;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: "string", default: "" },
      seed: { type: "string", default: "1" },
      rate: { type: "string", default: "1000" },
      partitions: { type: "string", default: "4" },
    },
  });
  const [seed = 1, rate = 1, partitions = 1] = [values.seed, values.rate, values.partitions].map(Number);
  const token = process.env.CRASH_NATS_TOKEN ?? "";
  const nc = await connect({ servers: values.url, token, noAsyncTraces: true });
  const js = jetstream(nc);
  const fleet = new Fleet({ seed, rate, partitions });
  const writers = Array.from({ length: partitions }, () => new FrameWriter());
  const inFlight = new Set<Promise<unknown>>();
  let going = true;
  let readings = 0;
  let frames = 0;
  process.once("SIGTERM", () => {
    going = false;
  });

  function append(partition: number, payload: Uint8Array): void {
    const sent = js.publish(readingsSubject(partition), payload, { timeout: PUBLISH_TIMEOUT_MS });
    const done = sent.finally(() => inFlight.delete(done));
    inFlight.add(done);
    frames++;
  }

  const startedMs = performance.now();
  let made = 0;
  while (going) {
    const wanted = Math.floor(((performance.now() - startedMs) / 1000) * rate);
    while (made < wanted) {
      const reading = fleet.next(nowUs());
      if (reading === undefined) continue;
      add(writers, reading);
      made++;
    }
    for (const [partition, writer] of writers.entries()) {
      if (writer.count === 0) continue;
      const count = writer.count;
      const payload = writer.finish(nowUs());
      const times = frames % REPEATED_FRAMES === REPEATED_FRAMES - 1 ? 2 : 1;
      for (let time = 0; time < times; time++) append(partition, payload);
      readings += times * count;
    }
    while (inFlight.size > IN_FLIGHT_MAX) await Promise.race(inFlight);
    await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
  }
  await Promise.all(inFlight);
  await nc.close();
  const seconds = (performance.now() - startedMs) / 1000;
  process.stdout.write(`${JSON.stringify({ readings, frames, seconds })}\n`);
}

function add(writers: readonly FrameWriter[], { partition, series, atUs, value }: FleetReading): void {
  writers[partition]?.add(series, atUs, value);
}

await main();

import { partitionOf } from "../../domain/partition.ts";
import type { Reading, ReadingValue } from "../../domain/reading.ts";
import type { Random } from "./random.ts";
import { BEGIN_US, PARTITIONS, type Production } from "./vocabulary.ts";

const LINGER_US = 50_000;
/** A reading whose clock is further ahead than this gets its receive time instead. */
const AHEAD_US_MAX = 60_000_000;

interface Device {
  readonly name: string;
  readonly site: string;
  /** A meter has several series of each metric. */
  readonly phases: readonly (string | undefined)[];
  readonly everyUs: number;
  readonly delayUsMax: number;
  readonly duplicates: number;
}

interface Arrival {
  readonly atUs: number;
  readonly reading: Reading;
}

/** The readings of a few devices with every kind of device fault, as an edge appends them. */
export function makeProduction(random: Random, endUs: number): Production[] {
  const arrivals: Arrival[] = [];
  const count = random.whole(2, 4);
  for (let i = 0; i < count; i++) {
    const device: Device = {
      name: `d${i}`,
      site: random.pick(["north", "south"]),
      phases: random.pick<Device["phases"]>([[undefined], [undefined], ["L1", "L2"], [undefined, "L1"]]),
      everyUs: random.pick([700_000, 1_000_000, 2_300_000]),
      delayUsMax: random.pick([0, 200_000, 3_000_000, 8_000_000]),
      duplicates: random.pick([0, 0, 0.1]),
    };
    arrivals.push(...readingsOf(device, random, endUs));
  }
  return inFrames(arrivals.sort((a, b) => a.atUs - b.atUs));
}

function readingsOf(device: Device, random: Random, endUs: number): Arrival[] {
  const arrivals: Arrival[] = [];
  let skewUs = random.pick([0, 0, 0, -2_000_000, 1_300_000]);
  let offlineUntilUs = 0;
  for (let atUs = BEGIN_US + random.whole(0, 3_000_000); atUs < endUs; atUs += device.everyUs) {
    if (random.chance(0.015)) skewUs = random.pick([0, -40_000_000, 25_000_000, 3_600_000_000, -3_600_000_000]);
    if (random.chance(0.02)) offlineUntilUs = atUs + random.whole(1_000_000, 25_000_000);
    if (random.chance(0.02)) atUs += random.whole(1_000_000, 20_000_000);
    const receivedUs = Math.max(atUs, offlineUntilUs) + random.whole(0, device.delayUsMax);
    if (receivedUs > endUs) continue;
    const claimedUs = atUs + skewUs;
    const observedUs = claimedUs > receivedUs + AHEAD_US_MAX ? receivedUs : claimedUs;
    for (const [metric, phase] of pairsOf(["m", "n", "door", "mode"], device.phases)) {
      if ((metric !== "m" || phase !== device.phases[0]) && random.chance(0.5)) continue;
      const value = someValue(metric, random);
      const tags = { site: device.site, ...(phase === undefined ? {} : { phase }) };
      const reading = { device: device.name, metric, tags, atUs: observedUs, value };
      arrivals.push({ atUs: receivedUs, reading });
      if (random.chance(device.duplicates)) {
        const again = random.chance(0.5) ? reading : { ...reading, value: someValue(metric, random) };
        arrivals.push({ atUs: receivedUs + random.whole(0, 5_000_000), reading: again });
      }
    }
  }
  return arrivals;
}

function pairsOf<A, B>(all: readonly A[], others: readonly B[]): [A, B][] {
  return all.flatMap((one) => others.map((other): [A, B] => [one, other]));
}

/** The value of a metric, which sometimes changes its kind. */
function someValue(metric: string, random: Random): ReadingValue {
  if (metric === "mode") return random.pick<ReadingValue>(["auto", 7, true]);
  if (metric === "m" && random.chance(0.02)) return true;
  if (metric === "door") return random.pick(["open", "closed"]);
  if (metric === "n") return random.chance(0.5);
  return random.whole(-200, 800) / 8;
}

/** Frames of one partition each, cut by the linger time. */
function inFrames(arrivals: readonly Arrival[]): Production[] {
  const frames: { atUs: number; readings: Reading[] }[] = [];
  const open = new Map<number, { atUs: number; readings: Reading[] }>();
  for (const { atUs, reading } of arrivals) {
    const partition = partitionOf(reading.device, PARTITIONS);
    let frame = open.get(partition);
    if (frame === undefined || frame.atUs < atUs) {
      frame = { atUs: atUs + LINGER_US, readings: [] };
      open.set(partition, frame);
      frames.push(frame);
    }
    frame.readings.push(reading);
  }
  return frames;
}

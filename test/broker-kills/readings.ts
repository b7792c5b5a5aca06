import type { Log } from "../../platform/log/port.ts";
import { PlainEntries } from "../crash/logs.ts";
import { QOS_2 } from "./common/topics.ts";
import type { Oracle } from "./oracle/oracle.ts";

/**
 * Each acknowledged message is in the log as a reading. A message of QoS 2 that was repeated has one time of receipt, so
 * that it is one reading. Returns the number of readings in the log.
 */
export async function verifyReadings(log: Log, { deliveries, differences }: Oracle): Promise<number> {
  const sent = deliveries.sentByTopic;
  /** Times of the readings, by topic and number. */
  const found = new Map([...sent.keys()].map((topic) => [topic, new Map<number, number>()]));
  let count = 0;
  for await (const { topic, number, atUs } of readingsOf(log)) {
    const times = found.get(topic);
    if (times === undefined) continue;
    count += 1;
    const before = times.get(number);
    if (before !== undefined && before !== atUs && topic.startsWith(QOS_2)) {
      differences.add("message of QoS 2 stored as two readings", `${topic} ${number} at ${before} and ${atUs}`);
    }
    times.set(number, atUs);
  }
  for (const [topic, last] of sent) {
    for (let number = 1; number <= last; number++) {
      if (!deliveries.isAcknowledged(topic, number) || found.get(topic)?.has(number)) continue;
      differences.add("reading lost", `${topic} ${number}`);
    }
  }
  return count;
}

async function* readingsOf(
  log: Log,
): AsyncGenerator<{ readonly topic: string; readonly number: number; readonly atUs: number }> {
  const { lastSequence } = await log.bounds("READINGS");
  if (lastSequence === 0) return;
  const entries = new PlainEntries();
  for await (const batch of log.read({ stream: "READINGS", from: { kind: "first" } })) {
    for (const message of batch) {
      for (const { device, metric, tags, atUs, value } of entries.readings(entries.read(message))) {
        if (metric !== "n" || typeof value !== "number") continue;
        yield { topic: `kills/${tags.kind}/${device}`, number: value, atUs };
      }
    }
    if ((batch.at(-1)?.sequence ?? 0) >= lastSequence) return;
  }
}

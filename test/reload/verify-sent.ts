import { type Logs, PlainEntries } from "../crash/logs.ts";
import { deviceName, type SentReadings, siteOf } from "./sent-reading.ts";

/** Every reading was acknowledged and is in the log once, as it was sent; and nothing else is. */
export function verifySent(logs: Logs, sent: SentReadings): string | undefined {
  // By device and time: a run has millions of readings.
  const wanted = new Map<string, Map<number, number>>();
  let unacknowledged = 0;
  for (const { device, atUs, value, latencyMs } of sent) {
    const name = `${deviceName(device)} ${siteOf(device)}`;
    const ofDevice = wanted.get(name) ?? new Map<number, number>();
    wanted.set(name, ofDevice.set(atUs, value));
    if (Number.isNaN(latencyMs)) unacknowledged++;
  }
  if (unacknowledged > 0) return `${unacknowledged} of ${sent.count} readings were never acknowledged`;
  const plain = new PlainEntries();
  for (const message of logs.READINGS) {
    for (const { device, tags, atUs, value } of plain.readings(plain.read(message))) {
      const name = `${device} ${tags.site}`;
      const awaited = wanted.get(name)?.get(atUs);
      if (awaited !== value)
        return `${name} at ${atUs} = ${value} is in entry ${message.sequence}; sent, and not yet found: ${awaited}`;
      wanted.get(name)?.delete(atUs);
    }
  }
  for (const [name, left] of wanted) {
    const [atUs] = left.keys();
    if (atUs !== undefined)
      return `${left.size} acknowledged readings of ${name} are not in the log, the first of ${atUs}`;
  }
  return undefined;
}

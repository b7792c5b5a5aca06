import type { LogMessage } from "../../platform/log/port.ts";
import { labelsOf, wants } from "../simulation/oracle/labels.ts";
import type { OracleRule, StoredReading } from "../simulation/oracle/model.ts";
import { isOverDevices, type Logs, PlainEntries, shareOf } from "./logs.ts";

export interface ForwardedCheck {
  readonly difference: string | undefined;
  readonly forwarded: number;
}

/**
 * Each reading that a rule over devices needs went from its partition to the rule's share once, and in order, with how
 * far it was ahead of the time at which it was stored.
 */
export function verifyForwarded(logs: Logs, partition: number, partitions: number): ForwardedCheck {
  const received = Array.from({ length: partitions }, (_, share) =>
    receivedBy(logs.GROUPS.filter(({ subject }) => subject === `groups.${share}.${partition}`)),
  );
  let rules: readonly OracleRule[] = [];
  let forwarded = 0;
  const entries = new PlainEntries();
  for (const message of logs.READINGS) {
    if (message.subject !== `readings.${partition}`) continue;
    const entry = entries.read(message);
    if (entry.kind === "rule_set") {
      const all: readonly OracleRule[] = JSON.parse(entry.rulesJson);
      rules = all.filter(isOverDevices);
    }
    for (const reading of entries.readings(entry)) {
      for (const share of sharesOf(rules, reading, partitions)) {
        const actual = received[share]?.next().value;
        const expected = textOf({ ...reading, aheadUs: Math.max(0, reading.atUs - message.storedAtUs) });
        forwarded++;
        if (actual === expected) continue;
        const difference = `from partition ${partition} to share ${share}: ${actual} instead of ${expected}`;
        return { difference: `${difference} (readings entry ${message.sequence})`, forwarded };
      }
    }
  }
  for (const [share, rest] of received.entries()) {
    const more = rest.next().value;
    if (more !== undefined) return { difference: `share ${share} has ${more} from ${partition} once more`, forwarded };
  }
  return { difference: undefined, forwarded };
}

function* receivedBy(messages: readonly LogMessage[]): Generator<string, undefined> {
  const entries = new PlainEntries();
  for (const message of messages) {
    for (const reading of entries.readings(entries.read(message))) yield textOf(reading);
  }
  return undefined;
}

function sharesOf(rules: readonly OracleRule[], reading: StoredReading, partitions: number): Set<number> {
  const wanting = rules.filter((rule) => wants(rule, reading));
  return new Set(wanting.map((rule) => shareOf(labelsOf(rule, reading), partitions)));
}

function textOf({ device, metric, tags, atUs, value, aheadUs }: StoredReading): string {
  return `${device} ${metric} ${tags.site} ${tags.zone} ${atUs} ${value} ${aheadUs}`;
}

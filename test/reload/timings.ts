import { decodeWindows } from "../../domain/windows-codec.ts";
import type { Logs } from "../crash/logs.ts";
import type { Reload, Reloading } from "./reloading.ts";
import type { SentReadings } from "./sent-reading.ts";

export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** All in milliseconds. */
export interface Timings {
  /** From the last byte written to the rule set in the logs of all partitions. */
  readonly toLog: Spread;
  /** The same, for edits that remove a rule. */
  readonly toLogRemoved: Spread;
  /** From the rule set in a partition's log to the first results computed under it. */
  readonly toResult: Spread;
  /** Acknowledgements of readings sent while rules were being replaced, and at other times. */
  readonly acknowledgedDuring: Spread;
  readonly acknowledgedBeside: Spread;
}

/** What a reload still causes after it is in the log. */
const AFTERMATH_US = 500_000;

export function timingsOf(logs: Logs, sent: SentReadings, reloading: Reloading, partitions: number): Timings {
  const { reloads, ruleSets } = reloading;
  const results = resultFrames(logs, partitions);
  const toLog: number[] = [];
  const toLogRemoved: number[] = [];
  const toResult: number[] = [];
  const spans: { readonly fromUs: number; readonly toUs: number }[] = [];
  const places = Array.from({ length: partitions }, () => 0);
  for (const [i, reload] of reloads.entries()) {
    let inLogAtUs = 0;
    for (let partition = 0; partition < partitions; partition++) {
      const logged = ruleSets.byTask[partition] ?? [];
      let place = places[partition] ?? 0;
      while (place < logged.length - 1 && logged[place]?.rulesJson !== reload.rulesJson) place++;
      places[partition] = place;
      const { storedAtUs = 0, sequence = 0 } = logged[place] ?? {};
      inLogAtUs = Math.max(inLogAtUs, storedAtUs);
      const first = results[partition]?.find(({ lastInput }) => lastInput > sequence);
      if (first) toResult.push((first.storedAtUs - storedAtUs) / 1_000);
    }
    const isRemoval = lacks(reload, reloads[i - 1] ?? reloading.first);
    (isRemoval ? toLogRemoved : toLog).push((inLogAtUs - reload.writtenAtUs) / 1_000);
    spans.push({ fromUs: reload.startedAtUs, toUs: inLogAtUs + AFTERMATH_US });
  }
  const during: number[] = [];
  const beside: number[] = [];
  const last = spans.at(-1)?.toUs ?? 0;
  let at = 0;
  // Sent in order of time, and the spans are in order, too.
  for (const { atUs, latencyMs } of sent) {
    while (at < spans.length && atUs > (spans[at]?.toUs ?? 0)) at++;
    const isDuring = atUs <= last && atUs >= (spans[at]?.fromUs ?? Number.POSITIVE_INFINITY);
    (isDuring ? during : beside).push(latencyMs);
  }
  return {
    toLog: spread(toLog),
    toLogRemoved: spread(toLogRemoved),
    toResult: spread(toResult),
    acknowledgedDuring: spread(during),
    acknowledgedBeside: spread(beside),
  };
}

function resultFrames(logs: Logs, partitions: number) {
  const frames: { readonly lastInput: number; readonly storedAtUs: number }[][] = [];
  for (let partition = 0; partition < partitions; partition++) frames.push([]);
  for (const { payload, storedAtUs } of logs.WINDOWS) {
    const { partition, lastInput } = decodeWindows(payload);
    frames[partition]?.push({ lastInput, storedAtUs });
  }
  return frames;
}

function lacks(reload: Reload, before: { readonly rulesJson: string }): boolean {
  const idsOf = (json: string) => (JSON.parse(json) as readonly { readonly id: string }[]).map(({ id }) => id);
  const ids = new Set(idsOf(reload.rulesJson));
  return idsOf(before.rulesJson).some((id) => !ids.has(id));
}

function spread(values: readonly number[]): Spread {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

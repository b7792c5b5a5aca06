import { formatDurationUs, formatInstantUs } from "../../domain/time.ts";
import { instantUs } from "./jetstream-stores.ts";
import type { ProbedStream } from "./probe.ts";
import type { StreamDifference } from "./streams.ts";

const UNITS = [
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10],
] as const;
const NS_PER_US = 1_000;
/** Named like the keys of weir.yaml. */
const NAMES: Partial<Record<StreamDifference["key"], string>> = { max_bytes: "max_size", num_replicas: "replicas" };

/** For people: `10 GiB`, `24.3 MiB`, `5 B`. */
export function sizeText(bytes: number): string {
  const [unit, perUnit] = UNITS.find(([, each]) => bytes >= each) ?? ["B", 1];
  return `${Number((bytes / perUnit).toFixed(1))} ${unit}`;
}

/** Of a stream's limits, ages in nanoseconds: `1d, 10 GiB`. */
export function limitsText({ max_age, max_bytes }: { readonly max_age: number; readonly max_bytes: number }): string {
  return `${settingText("max_age", max_age)}, ${settingText("max_bytes", max_bytes)}`;
}

/** `max_age 90d instead of 1d, max_size 512 MiB instead of 1 GiB`. */
export function differencesText(differences: readonly StreamDifference[]): string {
  return differences
    .map(
      ({ key, given, wanted }) =>
        `${settingName(key)} ${settingText(key, given)} instead of ${settingText(key, wanted)}`,
    )
    .join(", ");
}

/** `it holds 24.3 MiB, since 2026-11-22T08:00:00Z`. */
export function holdsText({ state }: ProbedStream): string {
  return `it holds ${sizeText(state.bytes)}, since ${formatInstantUs(instantUs(state.first_ts))}`;
}

export function settingName(key: StreamDifference["key"]): string {
  return NAMES[key] ?? key;
}

export function settingText(key: StreamDifference["key"], value: unknown): string {
  // Servers leave out settings that are off.
  if (typeof value !== "number") return String(value ?? false);
  switch (key) {
    case "max_bytes":
      return value > 0 ? sizeText(value) : "any size";
    case "max_age":
      return value > 0 ? formatDurationUs(value / NS_PER_US) : "any age";
    case "duplicate_window":
      return value > 0 ? formatDurationUs(value / NS_PER_US) : "none";
    default:
      return String(value);
  }
}

import { INSTANT_US_MAX } from "../../domain/time.ts";

export type TimestampUnit = "auto" | "s" | "ms" | "us" | "ns" | "iso8601";

// As seconds, 1e11 is the year 5138; as milliseconds, the same digits are 1973.
const SECONDS_BELOW = 1e11;
const MILLISECONDS_BELOW = 1e14;
const MICROSECONDS_BELOW = 1e17;

/** The instant of a local time, which is given as if it were in UTC. */
export type ToInstant = (localUs: number) => number;

/**
 * A payload's timestamp in whole microseconds; undefined if it is not a timestamp. Numbers are read by unit, or for
 * `auto` by their size. Strings may contain a number or ISO 8601; without an offset it is local time, or UTC if there
 * is no `toInstant`. Fractions are truncated.
 */
export function parseTimestampUs(value: unknown, unit: TimestampUnit, toInstant?: ToInstant): number | undefined {
  if (typeof value === "number") return unit === "iso8601" ? undefined : checked(numberUs(value, unit));
  if (typeof value === "bigint") return unit === "iso8601" ? undefined : checked(digitsUs(String(value), unit));
  if (typeof value !== "string") return undefined;
  const text = value.trim();
  if (unit !== "iso8601" && /^-?\d{1,19}(\.\d+)?$/.test(text)) return checked(digitsUs(text, unit));
  if (unit !== "iso8601" && text.startsWith("/Date(")) return checked(netUs(text));
  if (unit === "auto" || unit === "iso8601") return checked(isoUs(text, toInstant));
  return undefined;
}

/** .NET's `/Date(1757145600000+0200)/`: milliseconds, and an offset that changes nothing. */
function netUs(text: string): number {
  const ms = /^\/Date\((-?\d{1,15})(?:[+-]\d{4})?\)\/$/.exec(text)?.[1];
  return ms === undefined ? Number.NaN : Number(ms) * 1_000;
}

function numberUs(value: number, unit: TimestampUnit): number {
  switch (unit === "auto" ? unitBySize(value) : unit) {
    case "s":
      return Math.round(value * 1e6);
    case "ms":
      return Math.round(value * 1e3);
    case "us":
      return Math.round(value);
    default:
      return Math.floor(value / 1e3);
  }
}

/** Nanoseconds in a text keep digits that a number would lose. */
function digitsUs(text: string, unit: TimestampUnit): number {
  const value = Number(text);
  const nanoseconds = (unit === "auto" ? unitBySize(value) : unit) === "ns";
  if (nanoseconds && !text.includes(".")) return Number(BigInt(text) / 1000n);
  return numberUs(value, unit);
}

function unitBySize(value: number): "s" | "ms" | "us" | "ns" {
  const size = Math.abs(value);
  if (size < SECONDS_BELOW) return "s";
  if (size < MILLISECONDS_BELOW) return "ms";
  return size < MICROSECONDS_BELOW ? "us" : "ns";
}

const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;

function isoUs(text: string, toInstant: ToInstant | undefined): number {
  const parts = ISO.exec(text);
  if (!parts) return Number.NaN;
  const [, date, time = "00:00", seconds = "00", fraction = "", zone] = parts;
  if (!isDate(date)) return Number.NaN;
  const ms = Date.parse(`${date}T${time}:${seconds}${normalZone(zone ?? "Z")}`);
  const us = ms * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
  return zone === undefined && toInstant !== undefined && Number.isFinite(us) ? toInstant(us) : us;
}

/** Not 30 February, which `Date` takes for a day in March. */
function isDate(date = ""): boolean {
  const [year = 0, month = 0, day = 0] = date.split("-").map(Number);
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function normalZone(zone: string): string {
  if (zone.toUpperCase() === "Z") return "Z";
  const digits = zone.slice(1).replace(":", "").padEnd(4, "0");
  return `${zone[0]}${digits.slice(0, 2)}:${digits.slice(2)}`;
}

function checked(us: number): number | undefined {
  return Math.abs(us) <= INSTANT_US_MAX ? us : undefined;
}

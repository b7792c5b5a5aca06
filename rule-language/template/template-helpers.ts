import { formatInstantUs, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND } from "../../domain/time.ts";
import type { BareFaultOf } from "../../platform/files/fault.ts";
import { isZone, localTimeOf, suggestZone } from "../calendar/time-zone.ts";
import type { TemplateFacts } from "./template-texts.ts";

/** An instant in a template. Numbers and texts need no wrapper. */
export interface Instant {
  readonly atUs: number;
}

export type TemplateValue = number | string | Instant;

/** Formats a value. A helper leaves a value of another kind unchanged. */
export interface Helper {
  readonly name: string;
  readonly example: string;
  readonly takes: "number" | "text" | "instant" | "missing";
  readonly argument: "digits" | "zone" | "text" | "none";
  /** The default argument; undefined if the argument is required. */
  readonly standard: number | string | undefined;
  apply(value: TemplateValue, argument: number | string | undefined): TemplateValue;
}

/** A double has no more decimal digits. */
const DIGITS_MAX = 15;

function ofNumber(format: (value: number, digits: number) => string): Helper["apply"] {
  return (value, digits) =>
    typeof value === "number" && Number.isFinite(value) ? format(value, Number(digits)) : value;
}

function ofText(format: (text: string) => string): Helper["apply"] {
  return (value) => format(plain(value));
}

function ofInstant(format: (local: { readonly date: string; readonly time: string }) => string): Helper["apply"] {
  return (value, zone) => (typeof value === "object" ? format(localTimeOf(value.atUs, String(zone))) : value);
}

const ALL: readonly Helper[] = [
  {
    ...{ name: "fixed", example: "{{ value | fixed 1 }}", takes: "number", argument: "digits", standard: undefined },
    apply: ofNumber(fixed),
  },
  {
    ...{ name: "round", example: "{{ value | round 2 }}", takes: "number", argument: "digits", standard: 0 },
    apply: ofNumber((value, digits) => trimmed(fixed(value, digits))),
  },
  {
    ...{ name: "percent", example: "{{ value | percent 1 }}", takes: "number", argument: "digits", standard: 0 },
    apply: ofNumber((value, digits) => `${fixed(value * 100, digits)} %`),
  },
  {
    ...{ name: "duration", example: "{{ for | duration }}", takes: "number", argument: "none", standard: "" },
    apply: ofNumber(duration),
  },
  {
    ...{ name: "si", example: "{{ value | si }}", takes: "number", argument: "none", standard: "" },
    apply: ofNumber(si),
  },
  {
    ...{ name: "upper", example: "{{ severity | upper }}", takes: "text", argument: "none", standard: "" },
    apply: ofText((text) => text.toUpperCase()),
  },
  {
    ...{ name: "lower", example: "{{ site | lower }}", takes: "text", argument: "none", standard: "" },
    apply: ofText((text) => text.toLowerCase()),
  },
  {
    ...{ name: "default", example: '{{ site | default "nowhere" }}', takes: "missing", argument: "text" },
    standard: undefined,
    apply: (value) => value,
  },
  {
    ...{
      name: "time",
      example: '{{ at | time "Europe/Berlin" }}',
      takes: "instant",
      argument: "zone",
      standard: "UTC",
    },
    apply: ofInstant(({ time }) => time),
  },
  {
    ...{
      name: "date",
      example: '{{ at | date "Europe/Berlin" }}',
      takes: "instant",
      argument: "zone",
      standard: "UTC",
    },
    apply: ofInstant(({ date }) => date),
  },
];

export const HELPERS = { named: new Map(ALL.map((helper) => [helper.name, helper])), plain } as const;

interface GivenArgument {
  readonly token: string;
  /** The text in the quotes; undefined without quotes. */
  readonly text: string | undefined;
}

/** Checks the argument of a helper. Returns its value or a fault. */
export function helperArgument(
  { name, argument, standard, example }: Helper,
  [first, second]: readonly GivenArgument[],
): { readonly value: number | string | undefined } | BareFaultOf<TemplateFacts> {
  const extra = argument === "none" ? (second ?? first) : second;
  if (extra !== undefined) return { code: "too_many_arguments", facts: { text: extra.token, helper: name, example } };
  if (first === undefined) {
    if (standard !== undefined) return { value: standard };
    return { code: "no_argument", facts: { helper: name, wanted: NEEDED[argument], example } };
  }
  const { token, text } = first;
  if (argument === "digits") {
    const digits = Number(token);
    if (/^\d+$/.test(token) && digits <= DIGITS_MAX) return { value: digits };
    return { code: "bad_digits", facts: { text: token, max: DIGITS_MAX, example } };
  }
  const wanted = argument === "zone" ? "zone" : "text";
  if (text === undefined) return { code: "argument_without_quotes", facts: { text: token, wanted, example } };
  if (argument !== "zone" || isZone(text)) return { value: text };
  return { code: "bad_template_zone", facts: { name: text, meant: suggestZone(text) } };
}

const NEEDED = {
  digits: "a number of decimals",
  zone: "a time zone",
  text: "a text in quotes",
  none: "nothing",
} as const;

/** At most four significant digits, or seven from 1000 on, without trailing zeros. Instants are in ISO 8601 in UTC. */
function plain(value: TemplateValue): string {
  if (typeof value === "string") return value;
  if (typeof value === "object") return formatInstantUs(value.atUs);
  return String(Number(value.toPrecision(Math.abs(value) >= 1000 ? 7 : 4)));
}

/** Avoids `-0.0`. */
function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return /^-[0.]*$/.test(text) ? text.slice(1) : text;
}

function trimmed(text: string): string {
  return text.includes(".") && !text.includes("e") ? text.replace(/\.?0+$/, "") : text;
}

const LARGE = ["", "k", "M", "G", "T", "P", "E"];
const SMALL = ["", "m", "µ", "n", "p"];

/** Three significant digits, with the metric prefix that leaves one to three of them before the decimal point. */
function si(value: number): string {
  if (value === 0) return "0";
  // Chosen by the rounded number: 999,600 is 1M, not 1000k.
  const exponent = Number(value.toExponential(2).split("e")[1]);
  const power = Math.min(LARGE.length - 1, Math.max(1 - SMALL.length, Math.floor(exponent / 3)));
  const prefix = power >= 0 ? LARGE[power] : SMALL[-power];
  return `${Number((value / 1000 ** power).toPrecision(3))}${prefix}`;
}

const UNITS = [
  ["d", US_PER_DAY],
  ["h", US_PER_HOUR],
  ["m", US_PER_MINUTE],
  ["s", US_PER_SECOND],
] as const;

/** The two largest units, with the smaller one rounded. Under a minute, seconds with up to three decimals. */
function duration(seconds: number): string {
  const sign = seconds < 0 ? "-" : "";
  const us = Math.abs(seconds) * 1e6;
  if (us < US_PER_MINUTE - US_PER_SECOND / 2_000) {
    const text = trimmed(fixed(us / US_PER_SECOND, 3));
    return text === "0" ? "0s" : `${sign}${text}s`;
  }
  for (const [i, [unit, size]] of UNITS.entries()) {
    const [smaller, step] = UNITS[i + 1] ?? [unit, size];
    const rounded = Math.round(us / step) * step;
    if (rounded < size) continue;
    const whole = Math.floor(rounded / size);
    const rest = Math.round((rounded - whole * size) / step);
    return `${sign}${whole}${unit}${rest === 0 || step === size ? "" : ` ${rest}${smaller}`}`;
  }
  return `${sign}1m`;
}

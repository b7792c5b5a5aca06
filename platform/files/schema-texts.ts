import { formatDurationUs } from "../../domain/time.ts";
import type { FaultText, FaultTexts } from "./fault.ts";

/** `key` is the last key of the path, `name` all keys joined by dots. */
interface Named {
  readonly key: string;
  readonly name: string;
}

/** The type that a value had to have: `null` in JSON is an empty value in YAML. */
export type Expected = keyof typeof ARTICLES;

/** A map that allows a key; `map` is its path joined by dots, and empty for the top level. */
export interface KeyHome {
  readonly map: string;
  readonly key: string;
  /** An example of a value. */
  readonly value?: string;
}

/** Everything that can be wrong with the values of a file, by code. */
export interface SchemaFacts {
  unknown_key: {
    readonly key: string;
    /** Keys that are allowed there. */
    readonly known: readonly string[];
    readonly meant: string | undefined;
    /** Maps that allow the key, or the key that it means. */
    readonly elsewhere: readonly KeyHome[];
    /** `for:10m`: the key and the value that YAML reads as one word. */
    readonly glued: { readonly key: string; readonly value: string } | undefined;
  };
  /** `now` is the new path; a text with a space in it is a sentence. */
  renamed_key: Named & { readonly now: string };
  missing_key: { readonly key: string; readonly example: string | undefined };
  empty_value: Named;
  empty_name: Record<never, never>;
  empty_text: Named;
  empty_list: Named;
  wrong_type: Named & {
    readonly value: unknown;
    readonly expected: readonly Expected[];
    /** Instead of the types: the content of the field, like `a condition`. */
    readonly what: string | undefined;
    readonly example: string | undefined;
  };
  no_unit: Named & { readonly value: number; readonly kind: "duration" | "size" };
  not_a_duration: Named & { readonly value: unknown; readonly meant: string | undefined };
  duration_out_of_range: Named & { readonly value: unknown; readonly minUs: number; readonly maxUs: number };
  not_allowed: Named & {
    readonly value: unknown;
    readonly allowed: readonly string[];
    readonly meant: string | undefined;
  };
  out_of_range: Named & {
    readonly value: unknown;
    readonly min: number | undefined;
    readonly max: number | undefined;
    /** Texts and lists are measured by length, numbers by value. */
    readonly measure: "itself" | "characters" | "entries";
  };
  not_multiple: Named & { readonly value: unknown; readonly divisor: number };
  /** A check that the schema defines, in its own words. */
  check_failed: Named & { readonly says: string; readonly help: string };
}

const NO_VALUE = "(not shown)";

/** Replaces a value that no message may show. */
export const SECRET = Symbol("secret");

export const SCHEMA_TEXTS: FaultTexts<SchemaFacts> = {
  unknown_key: ({ key, known, meant, elsewhere, glued }) => {
    if (glued) {
      const help = `write a space after the colon: ${glued.key}: ${glued.value}`;
      return { message: `"${key}" is read as one word`, help };
    }
    const message = `unknown key \`${key}\``;
    if (meant !== undefined) return { message, help: `did you mean \`${meant}\`?` };
    const [home] = elsewhere;
    if (home !== undefined) return { message, help: homeHelp(home) };
    return { message, help: known.length === 0 ? "remove it" : `known here: ${known.join(", ")}` };
  },
  renamed_key: ({ name, now }) => {
    if (now.includes(" ")) return { message: `\`${name}\` is not a key`, help: now };
    const [old, next] = [name.split("."), now.split(".")];
    const isSibling = old.slice(0, -1).join(".") === next.slice(0, -1).join(".");
    return {
      message: `\`${name}\` is now \`${now}\``,
      help: isSibling ? `write ${next.at(-1)}: here` : `move the value to \`${now}\``,
    };
  },
  missing_key: ({ key, example }) => ({
    message: `\`${key}\` is missing`,
    help: example === undefined ? `add \`${key}\`` : `add for example ${example}`,
  }),
  empty_value: ({ key }) => ({
    message: key === "" ? "this entry is empty" : `\`${key}:\` has no value`,
    help: "write a value, or remove the key; indent what belongs to it further than the key",
  }),
  empty_name: () => ({ message: "the name before this colon is empty", help: "write a name, or remove the entry" }),
  empty_text: ({ name }) => ({ message: `\`${name}\` is empty`, help: "write a text, or remove it" }),
  empty_list: ({ name }) => ({ message: `\`${name}\` is an empty list`, help: "add an entry, or remove the key" }),
  wrong_type: wrongType,
  no_unit: ({ key, value, kind }) => ({
    message: `${value} has no unit`,
    help:
      kind === "duration"
        ? `write ${key}: ${value}s for seconds, ${value}m for minutes, ${value}h for hours`
        : `write ${key}: ${value}B for bytes, ${value}KiB, ${value}MiB or ${value}GiB`,
  }),
  not_a_duration: ({ value, meant }) => ({
    message: `${shown(value)} is not a duration`,
    help: meant === undefined ? "write for example 30s, 5m or 1h30m" : `write ${meant}`,
  }),
  duration_out_of_range: ({ name, value, minUs, maxUs }) => ({
    message: `\`${name}\` cannot be ${shown(value)}`,
    help: `write a duration from ${formatDurationUs(minUs)} to ${formatDurationUs(maxUs)}`,
  }),
  not_allowed: ({ name, value, allowed, meant }) => {
    const list = allowed.length === 1 ? allowed[0] : `one of ${allowed.join(", ")}`;
    return {
      message: `\`${name}\` cannot be ${shown(value)}`,
      help: meant === undefined ? `write ${list}` : `did you mean ${meant}? allowed: ${allowed.join(", ")}`,
    };
  },
  out_of_range: ({ name, value, min, max, measure }) => {
    const bounds = [min === undefined ? "" : `at least ${min}`, max === undefined ? "" : `at most ${max}`];
    const unit = measure === "itself" ? "" : ` ${measure}`;
    const range = `${bounds.filter((bound) => bound !== "").join(" and ")}${unit}`;
    if (measure === "itself") return { message: `\`${name}\` cannot be ${shown(value)}`, help: `write ${range}` };
    const size = typeof value === "string" || Array.isArray(value) ? `${value.length}` : "too few or too many";
    return { message: `\`${name}\` has ${size} ${measure}`, help: `it takes ${range}` };
  },
  not_multiple: ({ name, value, divisor }) => ({
    message: `\`${name}\` cannot be ${shown(value)}`,
    help: `write a multiple of ${divisor}`,
  }),
  check_failed: ({ name, says, help }) => ({ message: name === "" ? says : `${name}: ${says}`, help }),
};

function homeHelp({ map, key, value = "..." }: KeyHome): string {
  if (map === "") return `\`${key}\` belongs at the top level: indent it less`;
  return `it belongs in \`${map}\`: ${map.split(".").at(-1)}: { ${key}: ${value} }`;
}

const ARTICLES = {
  text: "a text",
  number: "a number",
  "whole number": "a whole number",
  "true or false": "true or false",
  list: "a list",
  map: "a map of keys and values",
  duration: "a duration",
  value: "another value",
} as const;

function wrongType({ key, name, value, expected, what, example }: SchemaFacts["wrong_type"]): FaultText {
  const wanted = [...new Set(expected.map((kind) => ARTICLES[kind]))];
  const list = wanted.length < 2 ? wanted.join("") : `${wanted.slice(0, -1).join(", ")} or ${wanted.at(-1)}`;
  return {
    message: `${name === "" ? "the file" : `\`${name}\``} must be ${what ?? list}, not ${shown(value)}`,
    help: example === undefined ? typeHelp(key, value, expected) : `write ${example}`,
  };
}

function typeHelp(key: string, value: unknown, expected: readonly Expected[]): string {
  const isPlain = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  if (expected.includes("text") && isPlain) return `put it in quotes: ${key}: "${value}"`;
  if (expected.includes("text")) return `write one text: ${key}: "..."`;
  if (expected.includes("list")) return `write ${key}: [${isPlain ? value : "..."}]`;
  if (expected.includes("map")) return "write keys and values below it, indented further";
  if (expected.includes("duration")) return `write for example ${key}: 30s, 5m or 1h30m`;
  if (expected.includes("true or false")) return `write ${key}: true or ${key}: false`;
  const isNumberInQuotes = typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value));
  return isNumberInQuotes ? `write it without quotes: ${key}: ${value}` : `write for example ${key}: 10`;
}

/** A value in a message. Long texts are truncated. */
export function shown(value: unknown): string {
  if (value === SECRET) return NO_VALUE;
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a map";
  return typeof value === "string" ? `"${value.length > 60 ? `${value.slice(0, 60)}...` : value}"` : String(value);
}

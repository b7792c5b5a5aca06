import type { z } from "zod";
import { closest } from "./closest.ts";
import { type FaultOf, keyOf, nameOf, type Path, pathFits, valueAt } from "./fault.ts";
import { type FieldSchema, fieldAt, homesOf, keysOf } from "./known-keys.ts";
import { type Expected, type KeyHome, type SchemaFacts, SECRET } from "./schema-texts.ts";
import { DURATION_PATTERN, SIZE_PATTERN } from "./schemas.ts";
import { suggestDuration } from "./suggest-duration.ts";

export type SchemaFault = FaultOf<SchemaFacts>;
type Issue = z.core.$ZodIssue;

/** Facts about a file besides the issues of its schema. */
export interface SchemaFaultOptions {
  /** The checked value. */
  readonly root: unknown;
  readonly schema: FieldSchema;
  readonly renamed?: Readonly<Record<string, string>> | undefined;
  readonly secrets?: readonly string[] | undefined;
  /** Names that other tools use for a key: `timezone: "zone"`. */
  readonly synonyms?: Readonly<Record<string, string>> | undefined;
  /** Where a key belongs that the top level does not allow, if the schema does not say it: `{ device: where }`. */
  readonly homes?: Readonly<Record<string, KeyHome>> | undefined;
  /** Words that other tools use for an allowed word: `warn: "warning"`. */
  readonly words?: Readonly<Record<string, string>> | undefined;
  /** The content of a field, and a correct value that is close to the wrong one. */
  readonly describe?: ((at: Path, value: unknown) => FieldHint) | undefined;
}

export interface FieldHint {
  /** With its article: `a condition`. */
  readonly what?: string | undefined;
  /** As written in the file, including the key. */
  readonly example?: string | undefined;
}

/** Issues with unions resolved: of a union's shapes, the intended one. */
export function flatIssues(issues: readonly Issue[]): Issue[] {
  return issues.flatMap((issue): Issue[] => {
    if (issue.code !== "invalid_union" || issue.errors.length === 0) return [issue];
    const meant = issue.errors
      .filter((errors) => !errors.some(isMismatch))
      .sort((a, b) => a.length - b.length)
      .at(0);
    if (meant === undefined) return [issue];
    return flatIssues(meant.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })));
  });
}

function isMismatch({ code, path }: Issue): boolean {
  return path.length === 0 && (code === "invalid_type" || code === "invalid_value");
}

/** The faults of a schema's issues. A misspelt key is one fault, not also a missing one. */
export function schemaFaults(issues: readonly Issue[], options: SchemaFaultOptions): SchemaFault[] {
  return withoutShadows(flatIssues(issues).flatMap((issue) => faultsOf(issue, options)));
}

/** Leaves out missing keys that are present under another name. */
export function withoutShadows<Fault extends { readonly code: PropertyKey; readonly at: Path; readonly facts: object }>(
  faults: readonly Fault[],
): Fault[] {
  const meant = new Set<string>();
  for (const { at, facts } of faults) {
    const above = nameOf(at.slice(0, -1));
    if ("meant" in facts && "known" in facts) meant.add(`${above} ${facts.meant}`);
    if ("now" in facts && typeof facts.now === "string") meant.add(`${above} ${facts.now.split(".").at(-1)}`);
  }
  return faults.filter(
    ({ code, at, facts }) => code !== "missing_key" || !("key" in facts) || !meant.has(`${nameOf(at)} ${facts.key}`),
  );
}

/** The faults of one issue: an issue about unknown keys may name several. */
export function faultsOf(issue: Issue, options: SchemaFaultOptions): SchemaFault[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey([...issue.path, key], options));
  return [faultOf(issue, options)];
}

function faultOf(issue: Issue, options: SchemaFaultOptions): SchemaFault {
  const { root, schema, secrets = [], words = {}, describe } = options;
  const at = issue.path;
  const [key, name] = [keyOf(at), nameOf(at)];
  const found = valueAt(root, at);
  const value = secrets.some((pattern) => pathFits(at, pattern)) ? SECRET : found;
  const spot = { at, part: "value" } as const;
  const { what, example } = (value === SECRET ? undefined : describe?.(at, value)) ?? {};
  if (found === undefined && issue.code !== "custom" && issue.code !== "invalid_key")
    return {
      at: at.slice(0, -1),
      part: "value",
      code: "missing_key",
      facts: { key, example: describe?.(at, undefined).example },
    };
  if (found === null && issue.code !== "custom") return { ...spot, code: "empty_value", facts: { key, name } };
  switch (issue.code) {
    case "invalid_key":
      return { at: at.slice(0, -1), part: "value", code: "empty_name", facts: {} };
    case "invalid_value": {
      const allowed = issue.values.map(String);
      return {
        ...spot,
        code: "not_allowed",
        facts: { key, name, value, allowed, meant: wordFor(value, allowed, words) },
      };
    }
    case "invalid_union": {
      const allowed = allowedBy(issue);
      if (allowed.length > 0)
        return {
          ...spot,
          code: "not_allowed",
          facts: { key, name, value, allowed, meant: wordFor(value, allowed, {}) },
        };
      return { ...spot, code: "wrong_type", facts: { key, name, value, expected: expectedBy(issue), what, example } };
    }
    case "invalid_type": {
      const field = fieldAt(schema, at, root);
      const isDuration = field?.pattern === DURATION_PATTERN;
      if ((isDuration || field?.pattern === SIZE_PATTERN) && typeof found === "number" && value !== SECRET)
        return { ...spot, code: "no_unit", facts: { key, name, value: found, kind: isDuration ? "duration" : "size" } };
      const expected = isDuration
        ? (["duration"] as const)
        : [expectedOf(field?.type === "integer" ? "int" : issue.expected)];
      return { ...spot, code: "wrong_type", facts: { key, name, value, expected, what, example } };
    }
    case "too_small":
    case "too_big":
      return { ...spot, ...outOfRange(issue, { key, name, value, found }) };
    case "not_multiple_of":
      return { ...spot, code: "not_multiple", facts: { key, name, value, divisor: issue.divisor } };
    case "custom": {
      const { duration, minUs, maxUs, help } = issue.params ?? {};
      if (duration === true) {
        const meant = typeof value === "string" ? suggestDuration(value) : undefined;
        return { ...spot, code: "not_a_duration", facts: { key, name, value, meant } };
      }
      if (typeof minUs === "number" && typeof maxUs === "number")
        return { ...spot, code: "duration_out_of_range", facts: { key, name, value, minUs, maxUs } };
      const says = issue.message;
      return { ...spot, code: "check_failed", facts: { key, name, says, help: typeof help === "string" ? help : "" } };
    }
    default:
      return { ...spot, code: "check_failed", facts: { key, name, says: issue.message, help: "" } };
  }
}

function outOfRange(
  issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig,
  about: { readonly key: string; readonly name: string; readonly value: unknown; readonly found: unknown },
) {
  const { key, name, value, found } = about;
  if (found === "") return { code: "empty_text", facts: { key, name } } as const;
  if (Array.isArray(found) && found.length === 0) return { code: "empty_list", facts: { key, name } } as const;
  const min = issue.code === "too_small" ? Number(issue.minimum) : undefined;
  const max = issue.code === "too_big" ? Number(issue.maximum) : undefined;
  const measure = typeof found === "string" ? "characters" : typeof found === "number" ? "itself" : "entries";
  return { code: "out_of_range", facts: { key, name, value, min, max, measure } } as const;
}

function allowedBy(issue: z.core.$ZodIssueInvalidUnion): string[] {
  if (issue.errors.length === 0)
    return "options" in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
  const inner = issue.errors.flat();
  const values = inner.flatMap((one) => (one.code === "invalid_value" ? one.values.map(String) : []));
  return inner.every(({ code }) => code === "invalid_value") ? values : [];
}

function expectedBy(issue: z.core.$ZodIssueInvalidUnion): Expected[] {
  return issue.errors.flat().flatMap((one) => (one.code === "invalid_type" ? expectedOf(one.expected) : []));
}

const EXPECTED: Readonly<Record<string, Expected>> = {
  string: "text",
  number: "number",
  int: "whole number",
  boolean: "true or false",
  array: "list",
  tuple: "list",
  object: "map",
  record: "map",
};

function expectedOf(type: string): Expected {
  return EXPECTED[type] ?? "value";
}

function wordFor(value: unknown, allowed: readonly string[], words: Readonly<Record<string, string>>) {
  if (typeof value !== "string" && typeof value !== "boolean" && value !== null) return undefined;
  const word = String(value);
  const synonym = words[word.toLowerCase()];
  return synonym !== undefined && allowed.includes(synonym) ? synonym : closest(word, allowed);
}

function unknownKey(at: Path, options: SchemaFaultOptions): SchemaFault {
  const { root, schema, renamed = {}, synonyms = {}, homes: otherHomes = {} } = options;
  const key = String(at.at(-1));
  const spot = { at, part: "key" } as const;
  const now = newNameOf(at, renamed);
  if (now !== undefined) return { ...spot, code: "renamed_key", facts: { key, name: nameOf(at), now } };
  const known = keysOf(fieldAt(schema, at.slice(0, -1), root)) ?? [];
  const [, gluedKey = "", gluedValue = ""] = /^(\w+)\s*:?\s*(\S.*)$/.exec(key) ?? [];
  const isGlued = gluedKey !== key && known.includes(gluedKey);
  const glued = isGlued ? { key: gluedKey, value: gluedValue.replace(/^:\s*/, "") } : undefined;
  const synonym = synonyms[key.toLowerCase()];
  const homes = (name: string): KeyHome[] => {
    const other = at.length === 1 && Object.hasOwn(otherHomes, name) ? otherHomes[name] : undefined;
    return other === undefined ? homesOf(schema, name) : [other];
  };
  const isSynonymHere = synonym !== undefined && known.includes(synonym);
  const elsewhere = isSynonymHere ? [] : homes(key);
  const meant = isSynonymHere ? synonym : elsewhere.length === 0 ? closest(key, known) : undefined;
  const farther = meant === undefined && elsewhere.length === 0 && synonym !== undefined ? homes(synonym) : elsewhere;
  return { ...spot, code: "unknown_key", facts: { key, known, meant, elsewhere: farther, glued } };
}

/** The new path of an old key, with each `*` replaced by its name. */
function newNameOf(at: Path, renamed: Readonly<Record<string, string>>): string | undefined {
  const [pattern, now] = Object.entries(renamed).find(([old]) => pathFits(at, old)) ?? [];
  if (pattern === undefined || now === undefined) return undefined;
  const names = pattern.split(".").flatMap((step, i) => (step === "*" ? String(at[i]) : []));
  return now.replaceAll("*", () => names.shift() ?? "*");
}

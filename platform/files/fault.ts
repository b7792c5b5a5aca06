import type { z } from "zod";
import type { Place } from "./yaml-source.ts";

export type Path = readonly PropertyKey[];

/** A place in the value of a file, at a key or at its value. */
export interface Spot {
  readonly at: Path;
  readonly part: "key" | "value";
  /** The wrong piece of the value, if only a piece of it is wrong. */
  readonly fragment?: string | undefined;
  /** Other paths that are involved. */
  readonly beside?: readonly Path[] | undefined;
}

/** For people: what is wrong, and how to fix it. */
export interface FaultText {
  readonly message: string;
  readonly help: string;
}

/** A fault of each code in `Facts`, with its facts. `textOf` makes the text, as the last step. */
export type FaultOf<Facts> = {
  [Code in keyof Facts]: Spot & { readonly code: Code; readonly facts: Facts[Code] };
}[keyof Facts];

/** The text of each code. A code without a text does not compile. */
export type FaultTexts<Facts> = { readonly [Code in keyof Facts]: (facts: Facts[Code]) => FaultText };

export function textOf<Facts, Code extends keyof Facts>(
  texts: FaultTexts<Facts>,
  fault: { readonly code: Code; readonly facts: Facts[Code] },
): FaultText {
  return texts[fault.code](fault.facts);
}

/** A fault of the YAML itself: it has a place but no path. */
export type PlacedFaultOf<Facts> = {
  [Code in keyof Facts]: { readonly code: Code; readonly facts: Facts[Code]; readonly place: Place };
}[keyof Facts];

/** `["sources", 0, "topic"]` as `sources.0.topic`. */
export function nameOf(path: Path): string {
  return path.map(String).join(".");
}

/** The last key of a path; for an item of a list, the key of the list. */
export function keyOf(path: Path): string {
  return String(path.findLast((step) => typeof step === "string") ?? "");
}

export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) value = typeof value === "object" && value !== null ? Reflect.get(value, step) : undefined;
  return value;
}

/** Whether a path matches a pattern like `notifier.receivers.*.url`, in which `*` is any one step. */
export function pathFits(path: Path, pattern: string): boolean {
  const steps = pattern.split(".");
  return steps.length === path.length && steps.every((step, i) => step === "*" || step === String(path[i]));
}

/** A fault found by code that knows nothing of files: the caller adds its place. */
export type BareFaultOf<Facts> = {
  [Code in keyof Facts]: { readonly code: Code; readonly facts: Facts[Code] };
}[keyof Facts];

/** Whether a parser returns a fault instead of a result. No result has facts. */
export function isFault<Result extends object, Fault extends { readonly code: string; readonly facts: object }>(
  parsed: Result | Fault,
): parsed is Fault {
  return "code" in parsed && "facts" in parsed;
}

/** What a schema's own check adds to an issue of zod, besides the fault. */
export interface CheckSpot {
  /** Relative to the checked value. */
  readonly path?: Path;
  readonly part?: Spot["part"];
  readonly fragment?: string;
  readonly beside?: readonly Path[];
}

/** Reports a fault from a check of a zod schema. Code that reads only zod's issues gets the text and the help, too. */
export function addFault<Facts, Code extends keyof Facts>(
  context: z.RefinementCtx<unknown>,
  texts: FaultTexts<Facts>,
  fault: { readonly code: Code; readonly facts: Facts[Code] } & CheckSpot,
): void {
  const { message, help } = textOf(texts, fault);
  const { path = [], part, fragment, beside } = fault;
  const carried = { code: fault.code, facts: fault.facts, part, fragment, beside };
  context.addIssue({ code: "custom", message, path: [...path], params: { help, fault: carried } });
}

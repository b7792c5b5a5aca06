import type { z } from "zod";
import type { Place } from "./yaml-source.ts";

export type Path = readonly PropertyKey[];

/** Where in the value of a file, and whether the key or what follows it is meant. */
export interface Spot {
  readonly at: Path;
  readonly part: "key" | "value";
  /** The piece of the value that is wrong, where not all of it is. */
  readonly fragment?: string | undefined;
  /** Other paths that have to do with it. */
  readonly beside?: readonly Path[] | undefined;
}

/** What people read: what is wrong, and how to fix it. */
export interface FaultText {
  readonly message: string;
  readonly help: string;
}

/** A fault of each code in `Facts`, with its facts. The text is made last, by `textOf`. */
export type FaultOf<Facts> = {
  [Code in keyof Facts]: Spot & { readonly code: Code; readonly facts: Facts[Code] };
}[keyof Facts];

/** How each code reads. A code without a text does not compile. */
export type FaultTexts<Facts> = { readonly [Code in keyof Facts]: (facts: Facts[Code]) => FaultText };

export function textOf<Facts, Code extends keyof Facts>(
  texts: FaultTexts<Facts>,
  fault: { readonly code: Code; readonly facts: Facts[Code] },
): FaultText {
  return texts[fault.code](fault.facts);
}

/** A fault of the YAML itself: it has a place and no path. */
export type PlacedFaultOf<Facts> = {
  [Code in keyof Facts]: { readonly code: Code; readonly facts: Facts[Code]; readonly place: Place };
}[keyof Facts];

/** `["sources", 0, "topic"]` as `sources.0.topic`. */
export function nameOf(path: Path): string {
  return path.map(String).join(".");
}

/** The last key of a path; of a list's item, the list's. */
export function keyOf(path: Path): string {
  return String(path.findLast((step) => typeof step === "string") ?? "");
}

export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) value = typeof value === "object" && value !== null ? Reflect.get(value, step) : undefined;
  return value;
}

/** Whether a path fits a pattern like `notifier.receivers.*.url`, in which `*` is any one step. */
export function pathFits(path: Path, pattern: string): boolean {
  const steps = pattern.split(".");
  return steps.length === path.length && steps.every((step, i) => step === "*" || step === String(path[i]));
}

/** A fault found where nothing is known of files: its place is for the caller to say. */
export type BareFaultOf<Facts> = {
  [Code in keyof Facts]: { readonly code: Code; readonly facts: Facts[Code] };
}[keyof Facts];

/** Whether a parser gives back a fault in place of a result. No result has facts. */
export function isFault<Result extends object, Fault extends { readonly code: string; readonly facts: object }>(
  parsed: Result | Fault,
): parsed is Fault {
  return "code" in parsed && "facts" in parsed;
}

/** What a schema's own check adds to an issue of zod, besides the fault. */
export interface CheckSpot {
  /** Below the value that is checked. */
  readonly path?: Path;
  readonly part?: Spot["part"];
  readonly fragment?: string;
  readonly beside?: readonly Path[];
}

/** Reports a fault from a check of a zod schema. Those who read only zod's issues get the text and the help as well. */
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

import type { PayloadProblem } from "../formats/format.ts";
import { hasControlCharacter, kindName } from "../names/names.ts";
import { badTime, decodeObject, isObject, takeReading, type Walk } from "./fields.ts";
import { UnreadableTime } from "./times.ts";

/**
 * The readings of an object, or of an array of objects. Numbers, booleans and strings are readings; nested names are
 * joined with a dot; null is not a reading. A bad element is a problem, but does not affect the readings of the
 * others.
 */
export function readFields(value: unknown, walk: Walk): PayloadProblem | undefined {
  if (!Array.isArray(value)) return decodeObject(value, walk, "");
  const { readingsMax } = walk.rules;
  let problem: PayloadProblem | undefined;
  for (const [i, element] of value.entries()) {
    if (i === readingsMax) {
      return problem ?? { reason: "too-large", detail: `more than ${readingsMax} elements in one message` };
    }
    // Also decodes the elements after a bad one; returns the first problem.
    const found = decodeObject(element, walk, `element ${i}: `);
    problem ??= found;
  }
  return problem;
}

/** A value of the topic's metric: alone, or in a field beside its time. */
export function readValue(
  tree: unknown,
  walk: Walk,
  { metric, field }: { readonly metric: string; readonly field: string },
): PayloadProblem | undefined {
  if (typeof tree !== "object") return readBare(tree, walk, metric);
  if (!isObject(tree) || !(field in tree)) {
    return { reason: "bad-payload", detail: `expected a bare value or {"${field}": 21.5}: there is no "${field}"` };
  }
  const found = walk.rules.times.findIn(tree);
  const atUs = found === undefined ? undefined : walk.rules.times.read(found.value);
  if (atUs instanceof UnreadableTime) return badTime(atUs, found?.field, "");
  const value = tree[field];
  if (value === null || value === undefined) return undefined;
  if (typeof value === "object") return { reason: "bad-payload", detail: `"${field}" is ${kindName(value)}` };
  return takeReading(metric, value, { walk, where: "", atUs, nameOf: undefined });
}

export function readBare(value: unknown, walk: Walk, metric: string): PayloadProblem | undefined {
  if (typeof value === "string" && hasControlCharacter(value)) {
    return { reason: "bad-payload", detail: "the value has control characters" };
  }
  return takeReading(metric, value, { walk, where: "", atUs: undefined, nameOf: undefined });
}

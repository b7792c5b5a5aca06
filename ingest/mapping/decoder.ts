import type { Format, PayloadProblem, ReadSamples } from "../formats/format.ts";
import { type FormatConfig, formatOf } from "../formats/formats.ts";
import { hasControlCharacter, kindName } from "../names/names.ts";
import { decodeObject, isObject, takeReading, timeOf, type Walk } from "./fields.ts";
import type { Decode, PayloadRules } from "./rules.ts";

export function decoderOf(config: FormatConfig, rules: PayloadRules): Decode {
  const { entry, options } = formatOf(config);
  return decoder(entry, rules, options);
}

/** Reads payloads of one format by the rules of one source. */
export function decoder(format: Format, rules: PayloadRules, options: unknown): Decode {
  const context = { limits: rules, options };
  if (format.kind === "samples") return sampleDecoder(format.reader(context), rules);
  const parse = format.parser(context);
  const read = format.valueField === undefined ? readFields : readValue;
  return (payload, metric, onReading) => {
    const { value, problem } = parse(payload);
    if (value === undefined || value === null) return problem;
    const found = read(value, { rules, onReading, count: 0 }, { metric, field: format.valueField ?? "" });
    return problem ?? found;
  };
}

function sampleDecoder(read: ReadSamples, rules: PayloadRules): Decode {
  return (payload, _metric, onReading) => {
    const walk: Walk = { rules, onReading, count: 0 };
    let first: PayloadProblem | undefined;
    const problem = read({ payload, topic: "", receivedAtUs: 0 }, ({ metric, value, atUs }) => {
      const found = takeReading(metric, value, { walk, where: "", atUs });
      first ??= found;
    });
    return first ?? problem;
  };
}

/**
 * The readings of an object, or of an array of objects. Numbers, booleans and strings are readings; nested names are
 * joined with a dot; null is not a reading. A bad element is a problem, but does not affect the readings of the
 * others.
 */
function readFields(value: unknown, walk: Walk): PayloadProblem | undefined {
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
function readValue(
  tree: unknown,
  walk: Walk,
  { metric, field }: { readonly metric: string; readonly field: string },
): PayloadProblem | undefined {
  if (typeof tree !== "object") return readBare(tree, walk, metric);
  if (!isObject(tree) || !(field in tree)) {
    return {
      reason: "bad-payload",
      detail: `expected a bare value or {"${field}": 21.5}: there is no "${field}"`,
    };
  }
  const time = timeOf(tree, walk.rules);
  if (time.problem) return time.problem;
  const value = tree[field];
  if (value === null) return undefined;
  if (typeof value === "object") return { reason: "bad-payload", detail: `"${field}" is ${kindName(value)}` };
  return takeReading(metric, value, { walk, where: "", atUs: time.atUs });
}

function readBare(value: unknown, walk: Walk, metric: string): PayloadProblem | undefined {
  if (typeof value === "string" && hasControlCharacter(value)) {
    return { reason: "bad-payload", detail: "the value has control characters" };
  }
  return takeReading(metric, value, { walk, where: "", atUs: undefined });
}

import { decodeObject, type Walk } from "./fields.ts";
import type { Format, OnReading, PayloadProblem, PayloadRules } from "./format.ts";
import { parseJson } from "./payload-text.ts";

export const JSON_FORMAT = {
  doc: "an object or an array of objects",
  example: {
    payload: '[{ "ts": 1763769600, "temperature": 21.5, "door": { "open": false } }, { "mode": "eco", "fan": null }]',
    readings: [
      ["temperature", 21.5],
      ["door.open", false],
      ["mode", "eco"],
    ],
  },
  needsMetric: false,
  decoder: (rules) => (payload, _metric, onReading) => decodeJson(payload, rules, onReading),
} as const satisfies Format;

/**
 * The readings of an object, or of an array of objects. Numbers, booleans and strings are readings; nested names are
 * joined with a dot; null is not a reading. A bad element is a problem, but does not affect the readings of the
 * others. `atUs` is undefined where the payload has no time.
 */
function decodeJson(payload: Uint8Array, rules: PayloadRules, onReading: OnReading): PayloadProblem | undefined {
  const parsed = parseJson(payload);
  if (parsed.problem) return parsed.problem;
  const walk: Walk = { rules, onReading, count: 0 };
  if (!Array.isArray(parsed.value)) return decodeObject(parsed.value, walk, "");
  let problem: PayloadProblem | undefined;
  for (const [i, element] of parsed.value.entries()) {
    if (i === rules.readingsMax) {
      return problem ?? { reason: "too-large", detail: `more than ${rules.readingsMax} elements in one message` };
    }
    // Also decodes the elements after a bad one; returns the first problem.
    const found = decodeObject(element, walk, `element ${i}: `);
    problem ??= found;
  }
  return problem;
}

import { problemOf } from "./binary-problem.ts";
import { cborTree } from "./cbor-tree.ts";
import type { Format } from "./format.ts";

/** The mapping applies the exact limit; this one protects the stack. */
export const STACK_FACTOR = 4;

export const CBOR_FORMAT = {
  kind: "tree",
  doc: "one CBOR item (RFC 8949): what JSON can say, in binary",
  example: {
    payload: Buffer.from("a26b74656d7065726174757265fb403580000000000064646f6f72a1646f70656ef4", "hex"),
    readings: [
      ["temperature", 21.5],
      ["door.open", false],
    ],
  },
  needsMetric: false,
  parser({ limits }) {
    const nestingMax = limits.nestingMax * STACK_FACTOR;
    return (payload) => {
      try {
        return { value: cborTree(payload, nestingMax) };
      } catch (error) {
        return { problem: problemOf(error, "CBOR") };
      }
    };
  },
} as const satisfies Format;

import { problemOf } from "./binary-problem.ts";
import { STACK_FACTOR } from "./cbor.ts";
import type { Format } from "./format.ts";
import { msgpackTree } from "./msgpack-tree.ts";

export const MSGPACK_FORMAT = {
  kind: "tree",
  doc: "one MessagePack object: what JSON can say, in binary",
  example: {
    payload: Buffer.from("82ab74656d7065726174757265cb4035800000000000a4646f6f7281a46f70656ec2", "hex"),
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
        return { value: msgpackTree(payload, nestingMax) };
      } catch (error) {
        return { problem: problemOf(error, "MessagePack") };
      }
    };
  },
} as const satisfies Format;

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/** Bytes in use after a garbage collection: the heap, and the memory of typed arrays outside it. */
export function liveBytes(): number {
  if (typeof collect !== "function") throw new TypeError("this Node cannot collect garbage on demand");
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

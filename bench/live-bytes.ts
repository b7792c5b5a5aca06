import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/** Memory in use after collecting garbage, in bytes: of the heap and of what typed arrays hold outside of it. */
export function liveBytes(): number {
  if (typeof collect !== "function") throw new TypeError("this Node cannot collect garbage on demand");
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

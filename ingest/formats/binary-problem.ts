import { MalformedError, TooDeepError } from "./binary/byte-reader.ts";
import type { PayloadProblem } from "./format.ts";

/** A payload's problem, from what a decoder threw. Throws again what is a bug of ours. */
export function problemOf(error: unknown, format: string): PayloadProblem {
  if (error instanceof MalformedError) {
    return { reason: "bad-payload", detail: `not ${format}: ${error.message}`, position: error.position };
  }
  if (error instanceof TooDeepError) return { reason: "too-large", detail: error.message };
  throw error;
}

import type { ErrorCode } from "./problem.ts";

/** An issue of the schema in words that say how to mend it. */
export interface MendedIssue {
  readonly code: ErrorCode;
  /** Below the rule. */
  readonly path: readonly PropertyKey[];
  readonly part: "key" | "value";
  readonly message: string;
  readonly help: string | undefined;
  /** The piece of the value that is wrong. */
  readonly fragment?: string;
}

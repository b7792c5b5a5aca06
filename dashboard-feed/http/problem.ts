import { STATUS_CODES } from "node:http";

/** RFC 9457. */
export const PROBLEM_TYPE = "application/problem+json";

export interface Problem {
  readonly status: number;
  /** Names the kind of problem for programs. */
  readonly code: string;
  /** What is wrong here, and how to mend it, for people. */
  readonly message: string;
  /** One by one, where it is about the query: which parameter, and what is wrong with it. */
  readonly errors?: readonly { readonly parameter: string; readonly detail: string }[];
}

/** The body of an answer that says what is wrong. */
export function problemText({ status, code, message, errors }: Problem): string {
  const title = STATUS_CODES[status] ?? "Error";
  return JSON.stringify({ type: `urn:weir:problem:${code}`, title, status, detail: message, code, errors });
}

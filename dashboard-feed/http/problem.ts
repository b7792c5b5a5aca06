import { STATUS_CODES } from "node:http";
import type { ProblemDocument } from "../../contracts/http/problem.ts";

/** The body of an error answer. */
export interface Problem {
  readonly status: number;
  /** Names the kind of problem, for programs. */
  readonly code: string;
  /** What is wrong and how to fix it, for people. */
  readonly message: string;
  /** For a bad request: the wrong parameters, and what is wrong with each. */
  readonly errors?: readonly { readonly parameter: string; readonly detail: string }[];
}

export function problemText({ status, code, message, errors }: Problem): string {
  const title = STATUS_CODES[status] ?? "Error";
  const document: ProblemDocument = { type: `urn:weir:problem:${code}`, title, status, detail: message, code };
  return JSON.stringify({ ...document, errors });
}

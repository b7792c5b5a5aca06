import { isRecord } from "../lib/rules.ts";

/** The gateway's own words, where it has any; `status` is undefined when it could not be asked. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

/** Reads a problem document: its `detail` says what is wrong and how to mend it. */
export async function errorOf(path: string, response: Response): Promise<ApiError> {
  try {
    const problem: unknown = await response.json();
    if (isRecord(problem) && typeof problem.detail === "string") return new ApiError(problem.detail, response.status);
  } catch {
    // No problem document, then.
  }
  return new ApiError(`${path} answered ${response.status}`, response.status);
}

/** For a person: what went wrong with a request. */
export function wordsOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return "The gateway cannot be reached now. Nothing was changed.";
}

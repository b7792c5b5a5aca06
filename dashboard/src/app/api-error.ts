import { isRecord } from "../lib/rules.ts";

/** An error that the gateway reported, in its own words. `status` is undefined when no request was made. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

/** Reads a problem document: its `detail` says what is wrong and how to fix it. */
export async function errorOf(path: string, response: Response): Promise<ApiError> {
  try {
    const problem: unknown = await response.json();
    if (isRecord(problem) && typeof problem.detail === "string") return new ApiError(problem.detail, response.status);
  } catch {
    // Not a problem document.
  }
  return new ApiError(`${path} answered ${response.status}`, response.status);
}

/** What went wrong with a request, in words for people. */
export function wordsOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return "The gateway cannot be reached. Nothing was changed.";
}

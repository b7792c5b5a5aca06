import { z } from "zod";
import { US_PER_MS } from "../../domain/time.ts";
import { ApiError } from "./api-error.ts";

const FILTER_PARTS_MAX = 16;

/** ISO 8601, or a number of milliseconds or microseconds since 1970. The size of the number says which. */
export const instantUs = z
  .string()
  .describe("ISO 8601, or milliseconds or microseconds since 1970.")
  .transform((text, context) => {
    const figure = Number(text);
    const us = /^\d{9,16}$/.test(text) ? Math.round(figure >= 1e14 ? figure : figure * US_PER_MS) : isoUs(text);
    if (us !== undefined) return us;
    context.addIssue({ code: "custom", message: "is not an ISO 8601 time or a number of milliseconds since 1970" });
    return z.NEVER;
  });

function isoUs(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms * US_PER_MS;
}

export const whole = (bounds: { min: number; max: number; standard: number }) =>
  z.coerce.number().int().min(bounds.min).max(bounds.max).default(bounds.standard);

/** `more` says what to do with parameters that the schema does not know. Throws ApiError. */
export function parseQuery<S extends z.ZodType>(
  schema: S,
  query: URLSearchParams,
  more: "reject" | "pass",
): z.output<S> {
  const parsed = schema.safeParse(Object.fromEntries(query));
  if (!parsed.success) {
    const errors = parsed.error.issues.map(({ path, message }) => ({
      parameter: path.join(".") || "query",
      detail: path.length === 1 && !query.has(String(path[0])) ? "is missing" : message,
    }));
    throw badRequest(errors);
  }
  const repeated = [...query.keys()].find((name) => query.getAll(name).length > 1);
  if (repeated !== undefined && more === "reject") {
    throw badRequest([{ parameter: repeated, detail: "is given more than once" }]);
  }
  return parsed.data;
}

/** Throws ApiError. */
export function parseBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw badRequest(
    parsed.error.issues.map(({ path, message }) => ({ parameter: path.join(".") || "body", detail: message })),
  );
}

/** The parameters that the schema does not know, as a filter. A repeated parameter is a list. */
export function filterOf(query: URLSearchParams, known: readonly string[]): Record<string, string | string[]> {
  const names = [...new Set(query.keys())].filter((name) => !known.includes(name));
  if (names.length > FILTER_PARTS_MAX) {
    throw badRequest([{ parameter: "query", detail: `at most ${FILTER_PARTS_MAX} filters` }]);
  }
  return Object.fromEntries(names.map((name) => [name, query.getAll(name)]));
}

export function requireOrder(fromUs: number, toUs: number): void {
  if (fromUs < toUs) return;
  throw badRequest([{ parameter: "from", detail: "must be before `to`" }]);
}

export function badRequest(errors: readonly { readonly parameter: string; readonly detail: string }[]): ApiError {
  const message = errors.map(({ parameter, detail }) => `${parameter}: ${detail}`).join("; ");
  return new ApiError({ status: 400, code: "bad-request", message, errors });
}

import { z } from "zod";
import type { Grant } from "../common/access.ts";
import { badRequest } from "./query.ts";

export const orderedBy = z
  .string()
  .trim()
  .min(1)
  .max(150)
  .optional()
  .describe("Who gives the order. Required without a token; a token's name is added.");

/** Anyone can type any name, so the token's name is added. Undefined without either name. */
export function authorOf(by: string | undefined, grant: Grant): string | undefined {
  if (grant.name === "") return by;
  return by === undefined || by === "" ? grant.name : `${by} (${grant.name})`;
}

/** Throws ApiError when neither the request nor the token gives a name. */
export function requireAuthor(by: string | undefined, grant: Grant): string {
  const author = authorOf(by, grant);
  if (author !== undefined) return author;
  throw badRequest([{ parameter: "by", detail: "is missing: say who gives the order" }]);
}

import { createHash } from "node:crypto";

const TOKEN_CHARACTERS = 22;
const ORIGIN_BYTES = 8;

/** A word of a subject for any client id or topic, hostile ones too: 132 bits of its SHA-256. */
export function subjectTokenOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, TOKEN_CHARACTERS);
}

/** Eight bytes of an origin's SHA-256, as base64url. */
export function originKey(origin: string): string {
  return createHash("sha256").update(origin).digest().subarray(0, ORIGIN_BYTES).toString("base64url");
}

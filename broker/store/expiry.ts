import { NEVER_EXPIRES, type SessionRecord } from "./port.ts";

const US_PER_S = 1_000_000;

/** Whether the client left the session longer ago than it lasts. One with a will must wait: see `SessionStore.expire`. */
export function isExpired({ awayAtUs, expirySeconds, will }: SessionRecord, nowUs: number): boolean {
  if (awayAtUs === undefined || will !== undefined || expirySeconds === NEVER_EXPIRES) return false;
  return awayAtUs + expirySeconds * US_PER_S <= nowUs;
}

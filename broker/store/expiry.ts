import { NEVER_EXPIRES, OWN_PREFIX, type SessionRecord, SHARE_PREFIX } from "./port.ts";

const US_PER_S = 1_000_000;
/** Clients whose edge is gone have this long to come back before their wills are sent. */
const GRACE_SECONDS = 60;

/** Whether the client left the session longer ago than it lasts. One with a will must wait: see `SessionStore.expire`. */
export function isExpired({ awayAtUs, expirySeconds, will }: SessionRecord, nowUs: number): boolean {
  if (awayAtUs === undefined || will !== undefined || expirySeconds === NEVER_EXPIRES) return false;
  return awayAtUs + expirySeconds * US_PER_S <= nowUs;
}

/** A session whose client was connected to an edge that is gone: not by the client's will, so its own will waits. */
export function leftBehind(record: SessionRecord, nowUs: number, graceSeconds: number = GRACE_SECONDS): SessionRecord {
  const { edge: _gone, will, ...rest } = record;
  const left = { ...rest, awayAtUs: nowUs };
  if (will === undefined) return left;
  const { message, delaySeconds } = will;
  return { ...left, will: { message, delaySeconds: Math.max(delaySeconds, graceSeconds) } };
}

/** Whether a new session may replace it when there are too many. The broker's own may not be replaced. */
export function isReplaceable({ clientId, awayAtUs }: SessionRecord): boolean {
  return awayAtUs !== undefined && !clientId.startsWith(OWN_PREFIX) && !clientId.startsWith(SHARE_PREFIX);
}

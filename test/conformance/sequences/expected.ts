import type { Qos } from "../wire/bytes.ts";
import type { Properties } from "../wire/properties.ts";
import type { Received } from "../wire/read.ts";

/** Which copies of messages one session must, may and must not get. */

export interface Subscription {
  readonly filter: string;
  readonly share: string | undefined;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0: none. */
  readonly id: number;
}

export interface Message {
  readonly topic: string;
  readonly text: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly publisher: string;
  readonly properties: Properties;
  readonly expirySeconds: number | undefined;
  readonly publishedAtMs: number;
  readonly isBig: boolean;
  /** QoS 2, and PUBREL comes later: a broker may deliver it before or after that, so it has no place in the order. */
  readonly isBegun?: boolean;
  /** Counts all messages of the sequence. */
  readonly number: number;
}

/** The copies of one message for one session: one at least, at most one for each matching subscription. */
export interface Copies {
  readonly clientId: string;
  readonly message: Message;
  readonly matches: readonly Subscription[];
  /** For a new subscription: with retain flag, outside of the order. */
  readonly isRetained: boolean;
  /** It need not come. */
  isOptional: boolean;
  /** Copies of the same message by the subscriptions of another moment: those that come are enough. */
  alternative?: Copies;
  readonly got: { readonly qos: number; readonly ids: readonly number[] }[];
}

/** Clocks of the broker and ours tick apart, and packets take their time. */
const SLACK_MS = 1_500;

export function highestQos({ message, matches }: Pick<Copies, "message" | "matches">): number {
  return Math.max(...matches.map(({ qos }) => Math.min(qos, message.qos)));
}

/** Whether the session may wait for no more of it. */
export function isSatisfied(copies: Copies, nowMs: number): boolean {
  const { message, got } = copies;
  if (
    copies.isOptional ||
    (copies.alternative?.got.length ?? 0) > 0 ||
    got.some(({ qos }) => qos === highestQos(copies))
  )
    return true;
  return (
    message.expirySeconds !== undefined && nowMs - message.publishedAtMs > message.expirySeconds * 1_000 - SLACK_MS
  );
}

/** What is wrong with a received copy; undefined if nothing. */
export function faultOf(copies: Copies, received: Received, at: { nowMs: number; version: 4 | 5; isSmall: boolean }) {
  const { message, matches, got, isRetained } = copies;
  const { qos, retain } = received;
  if (got.length >= matches.length) return `more copies than the ${matches.length} matching subscriptions`;
  const fitting = matches.filter((match) => Math.min(match.qos, message.qos) === qos);
  if (fitting.length === 0) return `QoS ${qos}, published with ${message.qos} to ${show(matches)}`;
  if (isRetained && !retain) return "no retain flag, although it is for a new subscription";
  const asPublished = matches.some(({ retainAsPublished }) => retainAsPublished);
  if (!isRetained && retain && !(message.retain && asPublished)) return "a retain flag for an existing subscription";
  const allAsPublished = matches.every(({ retainAsPublished }) => retainAsPublished);
  if (!isRetained && !retain && message.retain && allAsPublished) return "no retain flag, although it is as published";
  if (message.isBig && at.isSmall) return "too large for this client";
  return at.version === 5 ? propertyFault(copies, received, at.nowMs) : undefined;
}

function propertyFault({ message, matches }: Copies, { properties }: Received, nowMs: number): string | undefined {
  const { subscriptionIds = [], messageExpiry, topicAlias: _alias, ...rest } = properties;
  const ids = matches.map(({ id }) => id);
  if (subscriptionIds.some((id) => !ids.includes(id))) return `subscription identifiers ${subscriptionIds} of ${ids}`;
  if (comparable(rest) !== comparable(message.properties)) {
    return `properties ${comparable(rest)} instead of ${comparable(message.properties)}`;
  }
  if (message.expirySeconds === undefined) {
    return messageExpiry === undefined ? undefined : "an expiry that was not published";
  }
  const waitedMs = nowMs - message.publishedAtMs;
  if (waitedMs > message.expirySeconds * 1_000 + SLACK_MS) return `expired ${waitedMs} ms after its publish`;
  const least = message.expirySeconds - (waitedMs + SLACK_MS) / 1_000;
  if (messageExpiry === undefined || messageExpiry > message.expirySeconds || messageExpiry < least) {
    return `expiry ${messageExpiry} of ${message.expirySeconds} after ${waitedMs} ms`;
  }
  return undefined;
}

/** What is wrong with the identifiers of all copies together. */
export function identifierFault({ matches, got, isOptional }: Copies): string | undefined {
  const expected = matches.map(({ id }) => id).filter((id) => id !== 0);
  const all = got.flatMap(({ ids }) => ids);
  const missing = expected.filter((id) => !all.includes(id));
  if (isOptional || got.length === 0 || missing.length === 0) return undefined;
  return `${got.length} copies with identifiers ${all}, expected ${expected}`;
}

function comparable(properties: Properties): string {
  const entries = Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(
    entries.map(([name, value]) => [name, value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value]),
  );
}

function show(matches: readonly Subscription[]): string {
  return matches.map(({ filter, qos }) => `${filter} with ${qos}`).join(", ");
}

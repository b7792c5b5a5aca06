import type { PublishOutcome } from "../../platform/publish-gate.ts";
import type { Link } from "./link.ts";
import { encodeAck } from "./packets/encode.ts";
import { REASON } from "./packets/reason-codes.ts";
import type { PendingPublish, PublishAnswer } from "./pending-publish.ts";

const PUBACK = 0x40;
const PUBREC = 0x50;
const PLAIN_BYTES = 4;

/** The PUBACKs and PUBRECs to one client that go out together, in their order. */
export class Answers {
  readonly #link: Link;
  #pending: PendingPublish[] = [];
  #hasMore = false;

  constructor(link: Link) {
    this.#link = link;
  }

  add(pending: PendingPublish): void {
    if (pending.qos === 0) return;
    this.#pending.push(pending);
    this.#hasMore ||= pending.answer !== undefined;
  }

  write(): void {
    const pending = this.#pending;
    if (pending.length === 0) return;
    this.#pending = [];
    if (this.#link.closed) return;
    this.#link.writeAtOnce(this.#hasMore && this.#link.dialect.version === 5 ? this.#encode(pending) : plain(pending));
  }

  #encode(pending: readonly PendingPublish[]): Buffer {
    const { dialect } = this.#link;
    const packets = pending.map(({ qos, messageId, answer }) =>
      encodeAck(qos === 1 ? "puback" : "pubrec", messageId, dialect, answer?.reasonCode, answer?.reason),
    );
    return Buffer.concat(packets);
  }
}

/** Without reason codes, an acknowledgement is the same in all versions. */
function plain(pending: readonly PendingPublish[]): Buffer {
  const bytes = Buffer.allocUnsafe(pending.length * PLAIN_BYTES);
  let at = 0;
  for (const { qos, messageId } of pending) {
    bytes[at] = qos === 1 ? PUBACK : PUBREC;
    bytes[at + 1] = PLAIN_BYTES - 2;
    bytes[at + 2] = messageId >> 8;
    bytes[at + 3] = messageId & 0xff;
    at += PLAIN_BYTES;
  }
  return bytes;
}

const CAUSES = {
  topic: REASON.topicInvalid,
  payload: REASON.payloadInvalid,
  quota: REASON.quotaExceeded,
} as const;

export function answerOf(outcome: PublishOutcome): PublishAnswer {
  const userProperties = { "dead-letter": outcome.letter };
  if (outcome.kind === "no-source") {
    const text = "no source takes this topic; the message is kept as a dead letter";
    return { reasonCode: REASON.noMatchingSubscribers, reason: { text, userProperties } };
  }
  return { reasonCode: CAUSES[outcome.cause], reason: { text: outcome.reason, userProperties } };
}

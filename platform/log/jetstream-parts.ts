import { createInbox, headers, type Msg, type NatsConnection, TimeoutError } from "@nats-io/transport-node";
import { errorAnswer } from "./bus.ts";
import { ANSWER_BYTES_MAX, BadAnswerError } from "./port.ts";

/** In a request's headers: the asker can fetch parts. */
export const PARTS_ACCEPTED = "weir-parts-accepted";
/**
 * In a reply's headers: the size of the answer, the size of its parts (the last one is shorter), and where to fetch
 * them.
 */
const BYTES = "weir-answer-bytes";
const PART_BYTES = "weir-part-bytes";
const FETCH_FROM = "weir-parts-from";

const PART_BYTES_MAX = 524_288;
/** Announced answers wait in memory; beyond this size, more are refused. */
const HELD_BYTES_MAX = 2 * ANSWER_BYTES_MAX;
/** An asker that fetches nothing for this long is gone. */
const HELD_MS_MAX = 15_000;
const PARTS_AT_ONCE = 4;
const TRIES = 3;
const DONE = "done";

/**
 * The answerer's side of large answers. The asker pulls the parts, a few at a time: it never gets more than it can
 * handle, and requests a lost part again.
 */
export class PartsServer {
  readonly #nc: NatsConnection;
  #heldBytes = 0;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
  }

  /** Replies that the answer is ready, and serves its parts until the asker has all of them or goes silent. */
  promise(message: Msg, answer: Uint8Array, payloadMax: number): void {
    if (this.#heldBytes + answer.length > HELD_BYTES_MAX) {
      message.respond(errorAnswer("too many large answers at once; ask again in a few seconds"));
      return;
    }
    this.#heldBytes += answer.length;
    const partBytes = Math.min(payloadMax, PART_BYTES_MAX);
    const from = createInbox();
    const subscription = this.#nc.subscribe(from, {
      callback: (error, asked) => {
        if (error !== null) return;
        const text = asked.string();
        if (text === DONE) {
          release();
          return;
        }
        idle.refresh();
        const start = Number(text) * partBytes;
        asked.respond(answer.subarray(start, start + partBytes));
      },
    });
    const release = () => {
      clearTimeout(idle);
      if (subscription.isClosed()) return;
      subscription.unsubscribe();
      this.#heldBytes -= answer.length;
    };
    const idle = setTimeout(release, HELD_MS_MAX);
    idle.unref();
    const promised = headers();
    promised.set(BYTES, String(answer.length));
    promised.set(PART_BYTES, String(partBytes));
    promised.set(FETCH_FROM, from);
    message.respond(undefined, { headers: promised });
  }
}

export function isPromised(reply: Msg): boolean {
  return reply.headers?.has(FETCH_FROM) === true;
}

/** The asker's side: fetches an announced answer. Rejects with `BadAnswerError` when a part does not arrive. */
export async function fetchParts(options: {
  readonly nc: NatsConnection;
  /** The question, for messages. */
  readonly subject: string;
  readonly reply: Msg;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}): Promise<Uint8Array> {
  const { nc, subject, reply, timeoutMs, signal } = options;
  const from = reply.headers?.get(FETCH_FROM) ?? "";
  const bytes = Number(reply.headers?.get(BYTES));
  const partBytes = Number(reply.headers?.get(PART_BYTES));
  if (!(bytes > 0 && bytes <= ANSWER_BYTES_MAX && partBytes > 0)) {
    throw new BadAnswerError(`the answer on ${subject} has ${bytes} bytes, at most ${ANSWER_BYTES_MAX}`);
  }
  const answer = new Uint8Array(bytes);
  const count = Math.ceil(bytes / partBytes);
  let next = 0;
  let failed = false;

  async function fetchNext(): Promise<void> {
    while (next < count && !failed) {
      signal?.throwIfAborted();
      const part = next++;
      const expected = Math.min(partBytes, bytes - part * partBytes);
      const got = await fetchPart({ nc, from, part, timeoutMs });
      if (got?.length !== expected) {
        throw new BadAnswerError(
          `the answer on ${subject} broke off: part ${part + 1} of ${count} did not arrive; ask again`,
        );
      }
      answer.set(got, part * partBytes);
    }
  }

  try {
    await Promise.all(Array.from({ length: Math.min(PARTS_AT_ONCE, count) }, fetchNext));
    return answer;
  } finally {
    failed = true;
    if (!nc.isClosed()) nc.publish(from, DONE);
  }
}

/** Undefined when it does not arrive. */
async function fetchPart(options: {
  readonly nc: NatsConnection;
  readonly from: string;
  readonly part: number;
  readonly timeoutMs: number;
}): Promise<Uint8Array | undefined> {
  const { nc, from, part, timeoutMs } = options;
  for (let tries = 1; ; tries++) {
    try {
      return (await nc.request(from, String(part), { timeout: timeoutMs })).data;
    } catch (error) {
      // A lost message is worth a retry; an answerer that is gone is not.
      if (!(error instanceof TimeoutError) || tries === TRIES) return undefined;
    }
  }
}

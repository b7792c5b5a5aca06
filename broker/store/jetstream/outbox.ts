import { mqttQueueSubject } from "../../../domain/subjects.ts";
import { type Append, type Log, TooLargeError } from "../../../platform/log/port.ts";
import { type EncodedCopy, encodeFrame } from "../codec/frame-codec.ts";
import { encodeMessage } from "../codec/message-codec.ts";
import { queuedBytes } from "../memory-queue.ts";
import type { Copy, Message } from "../port.ts";
import type { Entry } from "./entry.ts";
import { GroupCommit } from "./group-commit.ts";

const GATHER_MS = 2;
/** Of one group, all its copies: more are gathered in the next. A group costs about as much for each session as for its bytes. */
const GROUP_BYTES_MAX = 2 * 1_024 * 1_024;
/** Small enough that a part of a queue fits in memory. */
const FRAME_BYTES_MAX = 256 * 1_024;
/** Of a frame's head and of a copy's, beside its identifiers. */
const HEAD_BYTES = 128;
const COPY_BYTES = 32;
const IDENTIFIER_BYTES = 5;

interface Item {
  readonly message: Message;
  readonly encoded: Uint8Array;
  readonly copies: readonly Copy[];
}

interface Waiting {
  readonly entry: Entry;
  readonly frames: { copies: EncodedCopy[]; encodedBytes: number; bytes: number }[];
}

interface Sent {
  readonly entry: Entry;
  readonly append: Append;
  readonly messages: number;
  readonly bytes: number;
}

export interface OutboxOptions {
  readonly log: Log;
  /** The run of this edge. */
  readonly writer: string;
  /** The entry of a session that exists. */
  readonly entryOf: (clientId: string) => Entry | undefined;
}

/** Writes copies into queues: what gathers in a few ms becomes one frame for each session, stored in one step. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #group: GroupCommit<Item, void>;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#group = new GroupCommit<Item, void>({
      gatherMs: GATHER_MS,
      weightMax: GROUP_BYTES_MAX,
      weightOf: ({ encoded, copies }) => (encoded.length + COPY_BYTES) * copies.length,
      ownerOf: ({ message }) => message.publisher,
      commit: (items) => this.#commit(items),
    });
  }

  /** Resolves once all copies are stored. Rejects with `TooLargeError` when the log cannot hold the message. */
  add(message: Message, copies: readonly Copy[]): Promise<void> {
    const encoded = encodeMessage(message);
    const room = this.#options.log.payloadBytesMax - HEAD_BYTES - COPY_BYTES;
    let identifiers = 0;
    for (const copy of copies) identifiers = Math.max(identifiers, copy.identifiers.length);
    if (encoded.length + identifiers * IDENTIFIER_BYTES <= room) return this.#group.add({ message, encoded, copies });
    const why = `a message of ${encoded.length} bytes cannot be queued: the log holds ${room}`;
    return Promise.reject(new TooLargeError(why));
  }

  close(error: Error): void {
    this.#group.close(error);
  }

  async #commit(items: readonly Item[]): Promise<readonly PromiseSettledResult<void>[]> {
    const sent = this.#framesOf(items);
    for (const { entry, messages, bytes } of sent) {
      entry.underWay.messages += messages;
      entry.underWay.bytes += bytes;
    }
    try {
      const appended = await this.#options.log.appendAll(sent.map(({ append }) => append));
      for (const [i, { entry }] of sent.entries()) {
        entry.ownSequence = Math.max(entry.ownSequence, appended[i]?.sequence ?? 0);
      }
    } catch (error) {
      for (const { entry, messages, bytes } of sent) {
        entry.underWay.messages -= messages;
        entry.underWay.bytes -= bytes;
      }
      throw error;
    }
    return items.map(() => ({ status: "fulfilled", value: undefined }));
  }

  #framesOf(items: readonly Item[]): readonly Sent[] {
    const waiting = new Map<string, Waiting>();
    const frameMax = Math.min(FRAME_BYTES_MAX, this.#options.log.payloadBytesMax) - HEAD_BYTES;
    for (const { message, encoded, copies } of items) {
      const bytes = queuedBytes(message);
      for (const { clientId, ...copy } of copies) {
        const entry = this.#options.entryOf(clientId);
        if (entry === undefined) continue;
        let queue = waiting.get(entry.token);
        if (queue === undefined) {
          queue = { entry, frames: [] };
          waiting.set(entry.token, queue);
        }
        const size = encoded.length + COPY_BYTES + copy.identifiers.length * IDENTIFIER_BYTES;
        let frame = queue.frames.at(-1);
        if (frame === undefined || frame.encodedBytes + size > frameMax) {
          frame = { copies: [], encodedBytes: 0, bytes: 0 };
          queue.frames.push(frame);
        }
        frame.copies.push({ encoded, ...copy });
        frame.encodedBytes += size;
        frame.bytes += bytes;
      }
    }
    return [...waiting.values()].flatMap((queue) => this.#sentOf(queue));
  }

  #sentOf({ entry, frames }: Waiting): readonly Sent[] {
    const { arrived, underWay } = entry;
    let messagesHint = arrived.messages + underWay.messages;
    let bytesHint = arrived.bytes + underWay.bytes;
    const subject = mqttQueueSubject(entry.token, entry.incarnation);
    return frames.map(({ copies, bytes }) => {
      const count = copies.length;
      messagesHint += count;
      bytesHint += bytes;
      const head = { writer: this.#options.writer, messagesHint, bytesHint, count, bytes };
      return { entry, append: { subject, payload: encodeFrame(head, copies) }, messages: count, bytes };
    });
  }
}

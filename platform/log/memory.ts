import { STREAMS, type StreamName } from "../../domain/subjects.ts";
import { appendEach, onlyOne } from "./append-each.ts";
import { createMemoryBus } from "./memory-bus.ts";
import { MemoryStream } from "./memory-stream.ts";
import {
  type Append,
  type Appended,
  type Blobs,
  ConflictError,
  type Log,
  LogClosedError,
  type LogMessage,
  type LogReader,
  type ReadQuery,
  type Records,
  TooLargeError,
} from "./port.ts";
import { streamOf } from "./subject-match.ts";

/** The default maximum of a NATS server, minus space for headers. */
const PAYLOAD_BYTES_MAX = 1_048_576 - 1024;
const BATCH_MESSAGES_MAX = 512;

export interface MemoryLogOptions {
  /** The only clock that the log knows: stored times and the duplicate window follow it. */
  readonly nowUs: () => number;
  readonly payloadBytesMax?: number;
  /** The number of newest messages that each stream keeps, approximately. Default: all. */
  readonly messagesMax?: number;
}

/** A log that exists as long as its object. Several services, or whole gateways, may share one. */
export function createMemoryLog(options: MemoryLogOptions): Log {
  const { nowUs, payloadBytesMax = PAYLOAD_BYTES_MAX, messagesMax = Number.POSITIVE_INFINITY } = options;
  const streams = new Map(STREAMS.map((name) => [name, new MemoryStream(messagesMax)]));
  const readers = new Set<LogReader>();
  let closed = false;

  function open(name: StreamName): MemoryStream {
    const stream = streams.get(name);
    if (closed || stream === undefined) throw new LogClosedError("the log is closed");
    return stream;
  }

  function append(message: Append): Appended {
    const stream = open(streamOf(message.subject));
    if (message.payload.length > payloadBytesMax) {
      throw new TooLargeError(`${message.payload.length} bytes for ${message.subject}, at most ${payloadBytesMax}`);
    }
    return stream.append(message, nowUs());
  }

  return {
    payloadBytesMax,
    durability: "stored",
    records: createMemoryRecords(),
    blobs: createMemoryBlobs(),
    bus: createMemoryBus(),
    healthy: () => !closed,
    append: async (message) => append(message),
    async appendAll(messages) {
      onlyOne(messages.map(({ subject }) => streamOf(subject)));
      return await appendEach(async (message) => append(message), messages);
    },
    read(query) {
      const reader = createMemoryReader(open(query.stream), query, () => readers.delete(reader));
      readers.add(reader);
      return reader;
    },
    async readEach(stream, sequences) {
      return open(stream).each(sequences);
    },
    async lastFor(stream, subject) {
      return open(stream).newestOf(subject);
    },
    async newest(stream) {
      return open(stream).newest();
    },
    async bounds(stream) {
      return open(stream).bounds();
    },
    async remove(stream, sequence) {
      open(stream).remove(sequence);
    },
    async purge(stream, subject, beforeSequence) {
      open(stream).purge(subject, beforeSequence);
    },
    async countBySubject(stream, pattern) {
      return open(stream).countBySubject(pattern);
    },
    async close() {
      closed = true;
      await Promise.all([...readers].map((reader) => reader.close()));
    },
  };
}

function createMemoryReader(stream: MemoryStream, query: ReadQuery, onClose: () => void): LogReader {
  const { subjects } = query;
  const limit = query.bufferMessagesMax ?? BATCH_MESSAGES_MAX;
  const position = stream.start(query.from, subjects);
  let closed = false;
  let wake: () => void = () => {};
  const unwatch = stream.watch(() => wake());

  function close(): void {
    closed = true;
    unwatch();
    onClose();
    wake();
  }

  async function* batches(): AsyncGenerator<readonly LogMessage[]> {
    try {
      while (position.ahead.length > 0 && !closed) yield position.ahead.splice(0, limit);
      while (!closed) {
        const { batch, next } = stream.slice(position.next, limit, subjects);
        position.next = Math.max(next, position.next);
        if (batch.length > 0) yield batch;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      close();
    }
  }

  const iterator = batches();
  return {
    [Symbol.asyncIterator]: () => iterator,
    close: async () => close(),
  };
}

function createMemoryRecords(): Records {
  const records = new Map<string, { readonly value: Uint8Array; readonly revision: number }>();
  let revision = 0;
  return {
    async get(name) {
      const record = records.get(name);
      return record && { value: new Uint8Array(record.value), revision: record.revision };
    },
    async set(name, value, expectRevision) {
      const present = records.get(name)?.revision ?? 0;
      if (present !== expectRevision) {
        throw new ConflictError(`record ${name} is at revision ${present}, not ${expectRevision}`);
      }
      revision++;
      records.set(name, { value: new Uint8Array(value), revision });
      return revision;
    },
  };
}

function createMemoryBlobs(): Blobs {
  const blobs = new Map<string, Uint8Array>();
  return {
    async get(name) {
      const value = blobs.get(name);
      return value && new Uint8Array(value);
    },
    async put(name, value) {
      blobs.set(name, value instanceof Uint8Array ? new Uint8Array(value) : Buffer.concat(value));
    },
    async delete(name) {
      blobs.delete(name);
    },
  };
}

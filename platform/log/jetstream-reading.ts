import { jetstreamManager } from "@nats-io/jetstream";
import { createNatsBus } from "./jetstream-bus.ts";
import { type ConnectionOptions, openConnection } from "./jetstream-connection.ts";
import { JetStreamReader } from "./jetstream-read.ts";
import { countBySubject, getMessage, instantUs } from "./jetstream-stores.ts";
import type { Bus, Log } from "./port.ts";

/** A log that is only looked at: nothing is created or changed, whatever version of the gateway runs on it. */
export interface LogForReading extends Pick<Log, "read" | "lastFor" | "bounds" | "countBySubject" | "close"> {
  readonly bus: Bus;
}

/** For commands beside a running gateway. Waits until the server answers, or the options' signal aborts. */
export async function openLogForReading(options: ConnectionOptions): Promise<LogForReading> {
  const connection = await openConnection(options);
  try {
    const jsm = await connection.retrying("asking NATS for JetStream", () => jetstreamManager(connection.nc));
    const readers = new Set<JetStreamReader>();
    return {
      bus: createNatsBus(connection),
      read(query) {
        const reader: JetStreamReader = new JetStreamReader(connection, jsm, query, () => readers.delete(reader));
        readers.add(reader);
        reader.start();
        return reader;
      },
      async lastFor(stream, subject) {
        const message = await getMessage(jsm, connection, stream, { last_by_subj: subject });
        if (message === undefined) return undefined;
        const { id: _, ...kept } = message;
        return kept;
      },
      async bounds(stream) {
        const { state } = await connection.retrying(`asking for ${stream}`, () => jsm.streams.info(stream));
        return {
          firstSequence: Math.max(1, state.first_seq),
          lastSequence: state.last_seq,
          messages: state.messages,
          bytes: state.bytes,
          firstAtUs: instantUs(state.first_ts),
          lastAtUs: instantUs(state.last_ts),
        };
      },
      countBySubject: (stream, pattern) => countBySubject(connection, jsm, stream, pattern),
      async close() {
        await Promise.all([...readers].map((reader) => reader.close()));
        await connection.close();
      },
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

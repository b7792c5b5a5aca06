import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { STREAMS, type StreamName } from "../../domain/subjects.ts";
import { UserError } from "../../domain/user-error.ts";
import { createNatsBus } from "./jetstream-bus.ts";
import { type Connection, type ConnectionOptions, openConnection } from "./jetstream-connection.ts";
import { JetStreamReader } from "./jetstream-read.ts";
import { countBySubject, getMessage, instantUs, withoutId } from "./jetstream-stores.ts";
import type { Bus, Log } from "./port.ts";
import { infoOf, isJetStreamMissing } from "./probe.ts";
import { subjectsOf } from "./subject-match.ts";

/** The server has no log of Weir, or no such stream in it. Retrying helps only after a gateway has run there. */
export class LogMissingError extends UserError {
  override readonly name = "LogMissingError";
}

/** A read-only log: nothing is created or changed, regardless of the version of the gateway that runs on it. */
export interface LogForReading
  extends Pick<Log, "read" | "lastFor" | "newest" | "bounds" | "countBySubject" | "close"> {
  readonly bus: Bus;
}

/**
 * For commands beside a running gateway. Waits until the server answers, or the options' signal aborts. Throws
 * LogMissingError without JetStream; the log throws it for a stream that did not exist when it was opened.
 */
export async function openLogForReading(options: ConnectionOptions): Promise<LogForReading> {
  const connection = await openConnection(options);
  try {
    const jsm = await openJetStream(connection);
    const streams = await presentStreams(connection, jsm);
    const check = (stream: StreamName) => {
      if (streams.has(stream)) return;
      throw new LogMissingError(
        `NATS at ${options.servers} has no stream ${stream}: Weir has not run on this server yet. Start it there (weir up, or weir run with --nats-url), or give the address of the right server.`,
      );
    };
    const readers = new Set<JetStreamReader>();
    return {
      bus: createNatsBus(connection),
      read(query) {
        check(query.stream);
        const reader: JetStreamReader = new JetStreamReader(connection, jsm, query, () => readers.delete(reader));
        readers.add(reader);
        reader.start();
        return reader;
      },
      async lastFor(stream, subject) {
        check(stream);
        return withoutId(await getMessage(jsm, connection, stream, { last_by_subj: subject }));
      },
      async newest(stream) {
        check(stream);
        return withoutId(await getMessage(jsm, connection, stream, { last_by_subj: subjectsOf(stream) }));
      },
      async bounds(stream) {
        check(stream);
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
      async countBySubject(stream, pattern) {
        check(stream);
        return await countBySubject(connection, jsm, stream, pattern);
      },
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

async function openJetStream(connection: Connection): Promise<JetStreamManager> {
  const { nc } = connection;
  const opened = await connection.retrying("asking NATS for JetStream", async () => {
    try {
      return await jetstreamManager(nc);
    } catch (error) {
      if (isJetStreamMissing(error)) return undefined;
      throw error;
    }
  });
  if (opened === undefined) {
    throw new LogMissingError(`NATS at ${nc.getServer()} has no JetStream; give the address of Weir's own server.`);
  }
  return opened;
}

/** A server answers once its streams are loaded: a stream that it does not know now will not appear. */
async function presentStreams(connection: Connection, jsm: JetStreamManager): Promise<ReadonlySet<StreamName>> {
  const infos = await Promise.all(
    STREAMS.map((name) => connection.retrying(`asking for ${name}`, () => infoOf(jsm, name))),
  );
  return new Set(STREAMS.filter((_, i) => infos[i] !== undefined));
}

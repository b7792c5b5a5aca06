import type { JetStreamManager } from "@nats-io/jetstream";
import type { Connection } from "./jetstream-connection.ts";
import type { Log } from "./port.ts";
import { isMissingMessage } from "./streams.ts";

/** The part of the log that deletes messages. */
export function deletions(
  connection: Connection,
  jsm: JetStreamManager,
  checkOpen: () => void,
): Pick<Log, "purge" | "remove"> {
  return {
    async purge(stream, subject, beforeSequence) {
      checkOpen();
      // NATS takes 0 for everything.
      if (beforeSequence <= 1) return;
      await connection.retrying(`purging ${subject}`, () =>
        jsm.streams.purge(stream, { filter: subject, seq: beforeSequence }),
      );
    },
    async remove(stream, sequence) {
      checkOpen();
      await connection.retrying(`deleting ${sequence} of ${stream}`, async () => {
        try {
          // Without overwriting its bytes, which takes longer.
          await jsm.streams.deleteMessage(stream, sequence, false);
        } catch (error) {
          // It has expired, or an earlier attempt deleted it and its answer was lost.
          if (!isMissingMessage(error)) throw error;
        }
      });
    },
  };
}

import { randomBytes } from "node:crypto";
import { INGEST_LEDGER } from "../contracts/device-ledgers.ts";
import type { DeadLetter } from "../domain/dead-letter.ts";
import { decodeDeadLetter, encodeDeadLetter, encodeDeadLetterWithin } from "../domain/dead-letter-codec.ts";
import { deadLetterSubject } from "../domain/subjects.ts";
import { US_PER_MS } from "../domain/time.ts";
import { type Appended, TooLargeError } from "../platform/log/port.ts";
import type { InboundMessage, PublishGate } from "../platform/publish-gate.ts";
import type { Deps, Service } from "../platform/service.ts";
import { startBridge } from "./bridge/bridge.ts";
import type { IngestConfig } from "./common/config.ts";
import { DeviceLedger } from "./common/device-ledger.ts";
import { createIngestEvents } from "./common/events.ts";
import { answerRetries } from "./dead-letters/retry.ts";
import type { PayloadProblem } from "./formats/format.ts";
import { FrameBatcher } from "./frames/frame-batcher.ts";
import { MessageReader, readingFailed } from "./frames/message-reader.ts";
import { type Route, type RouteProblem, TopicRoutes } from "./sources/topic-routes.ts";

export interface Ingest extends Service, PublishGate {}

const LEDGER_DEVICES_MAX = 100_000;
/** A letter that a server does not take for its size, although it should, is tried once more with so many bytes. */
const LETTER_BYTES_LAST = 16 * 1_024;

/** Turns messages into readings, and lets them be acknowledged once the log has them. */
export async function startIngest(config: IngestConfig, deps: Deps & { readonly partitions: number }): Promise<Ingest> {
  const { log, clock, logger } = deps;
  const events = createIngestEvents(logger, deps.metrics);
  const ledger = new DeviceLedger(LEDGER_DEVICES_MAX);
  const routes = new TopicRoutes({
    sources: config.sources,
    partitions: deps.partitions,
    limits: config.limits,
    ledger,
  });
  const createBatcher = () =>
    new FrameBatcher({
      log,
      partitions: deps.partitions,
      readingsMax: config.frame.readings_max,
      lingerMs: config.frame.linger / US_PER_MS,
      origin: randomBytes(9).toString("base64url"),
      onFrame: events.frameSent,
    });
  const laneOf = (batcher: FrameBatcher): Lane => ({
    batcher,
    reader: new MessageReader(batcher, config.clock.max_ahead, events.clockRanAhead),
  });
  const letters = new Set<Promise<unknown>>();
  const stopAnswering = log.bus.respond(INGEST_LEDGER, async () => ledger.entries());

  function keepDeadLetter(message: InboundMessage, { retryOf, ...problem }: Problem, onKept: OnLetterKept): void {
    const letter: DeadLetter = {
      ...problem,
      ...(retryOf === undefined ? {} : { retryOf }),
      topic: message.topic,
      payload: message.payload,
      clientId: message.clientId,
      receivedAtUs: message.receivedAtUs,
    };
    const kept: Promise<void> = appendLetter(letter)
      .then(
        ({ sequence }) => {
          events.messageDeadLettered(letter);
          onKept(undefined, sequence);
        },
        (error: Error) => {
          events.messageNotKept(error);
          onKept(error);
        },
      )
      .finally(() => letters.delete(kept));
    letters.add(kept);
  }

  /** A letter that is too large is cut: refused for ever, its sender would send it for ever. */
  async function appendLetter(letter: DeadLetter): Promise<Appended> {
    const subject = deadLetterSubject(letter.reason);
    // Of a retry the whole one is in the log already, and must not count as retried by half of it.
    if (letter.retryOf !== undefined) return await log.append({ subject, payload: encodeDeadLetter(letter) });
    const payload = encodeDeadLetterWithin(letter, log.payloadBytesMax);
    try {
      return await log.append({ subject, payload });
    } catch (error) {
      if (!(error instanceof TooLargeError)) throw error;
      // From the bytes: by now the letter's own payload may be a view of other bytes.
      return await log.append({
        subject,
        payload: encodeDeadLetterWithin(decodeDeadLetter(payload), LETTER_BYTES_LAST),
      });
    }
  }

  function routeOf(topic: string): Route | RouteProblem {
    try {
      return routes.find(topic);
    } catch (error) {
      const { detail } = readingFailed(error);
      return { problem: "reading-failed", detail };
    }
  }

  /** Does not throw: a message that cannot be read, for whatever reason, becomes a dead letter. */
  function take({ batcher, reader, retryOf }: Lane, inbound: InboundMessage, done: OnTaken): void {
    events.messageReceived();
    const route = routeOf(inbound.topic);
    if ("problem" in route) {
      const problem = { reason: route.problem, detail: route.detail };
      keepDeadLetter(inbound, { ...problem, retryOf }, (error, letter) => done(error, 0, letter));
      return;
    }
    const { counts } = route;
    counts.messages++;
    const problem = reader.read(inbound, route);
    const { count } = reader;
    if (problem) {
      // The good readings of the message go their way; the message is kept whole beside them.
      const settle = afterBoth((error, letter) => done(error, count, letter));
      if (count > 0) batcher.close(route.partition, settle);
      else settle();
      counts.deadLettered++;
      keepDeadLetter(inbound, { ...problem, retryOf }, settle);
    } else if (count === 0) {
      counts.dropped++;
      events.messageDropped("no-readings");
      done(undefined, 0);
    } else {
      batcher.close(route.partition, (error) => {
        if (error) events.messageNotKept(error);
        else {
          counts.stored++;
          events.messageStored();
        }
        done(error, count);
      });
    }
  }

  const live: Lane = laneOf(createBatcher());
  const accept = (inbound: InboundMessage, done: (error?: Error) => void) => take(live, inbound, done);

  // Apart from the live ones: a frame has one receive time, and that of a letter may be days ago.
  const retried = laneOf(createBatcher());
  const retries = answerRetries({
    log,
    clock,
    events,
    take: (inbound, retryOf) =>
      new Promise((resolve, reject) => {
        take({ ...retried, retryOf }, inbound, (error, readings, letter) => {
          if (error) reject(error);
          else resolve(letter === undefined ? { readings } : { readings, letter });
        });
      }),
  });

  const bridge = config.bridge ? await startBridge(config.bridge, { accept, clock, events }) : undefined;

  return {
    name: "ingest",
    accept,
    health: () =>
      log.healthy()
        ? (bridge?.health() ?? { ready: true, detail: "" })
        : { ready: false, detail: "the log does not answer; acknowledgements wait" },
    async stop() {
      await bridge?.stop();
      await Promise.all([live.batcher.drain(), retries.stop()]);
      await retried.batcher.drain();
      await Promise.all(letters);
      stopAnswering();
    },
  };
}

/** Where readings go: those of live messages have frames of their own, those of retried ones, too. */
interface Lane {
  readonly batcher: FrameBatcher;
  readonly reader: MessageReader;
  /** The dead letter that is retried. */
  readonly retryOf?: number;
}

/** How many readings a message gave; `letter` is the sequence of its dead letter, if it became one. */
type OnTaken = (error: Error | undefined, readings: number, letter?: number) => void;

type OnLetterKept = (error?: Error, letter?: number) => void;

type Problem = (PayloadProblem | { readonly reason: string; readonly detail: string }) & {
  readonly retryOf?: number | undefined;
};

/** Calls `done` after the second call, with the first error and the first letter of the two. */
function afterBoth(done: OnLetterKept): OnLetterKept {
  let calls = 0;
  let firstError: Error | undefined;
  let firstLetter: number | undefined;
  return (error, letter) => {
    firstError ??= error;
    firstLetter ??= letter;
    calls++;
    if (calls === 2) done(firstError, firstLetter);
  };
}

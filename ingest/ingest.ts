import { randomBytes } from "node:crypto";
import type { DeadLetter } from "../domain/dead-letter.ts";
import { encodeDeadLetter } from "../domain/dead-letter-codec.ts";
import { deadLetterSubject } from "../domain/subjects.ts";
import type { InboundMessage, PublishGate } from "../platform/publish-gate.ts";
import type { Deps, Service } from "../platform/service.ts";
import { startBridge } from "./bridge.ts";
import type { IngestConfig } from "./config.ts";
import { DeviceLedger } from "./device-ledger.ts";
import { createIngestEvents } from "./events.ts";
import { FrameBatcher } from "./frame-batcher.ts";
import { MessageReader } from "./message-reader.ts";
import type { PayloadProblem } from "./payload.ts";
import { TopicRoutes } from "./topic-routes.ts";

export interface Ingest extends Service, PublishGate {}

/** Bus question: what became of each device's messages at this edge (an array of `{ device, counts }`). */
export const INGEST_LEDGER = "ingest.ledger";

const LEDGER_DEVICES_MAX = 100_000;

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
  const batcher = new FrameBatcher({
    log,
    partitions: deps.partitions,
    ...config.frame,
    origin: randomBytes(9).toString("base64url"),
    onFrame: events.frameSent,
  });
  const letters = new Set<Promise<unknown>>();
  const stopAnswering = log.bus.respond(INGEST_LEDGER, async () => ledger.entries());

  function keepDeadLetter(message: InboundMessage, problem: Problem, onKept: (error?: Error) => void): void {
    const letter: DeadLetter = {
      ...problem,
      topic: message.topic,
      payload: message.payload,
      clientId: message.clientId,
      receivedAtUs: message.receivedAtUs,
    };
    const subject = deadLetterSubject(problem.reason);
    const kept: Promise<void> = log
      .append({ subject, payload: encodeDeadLetter(letter) })
      .then(
        () => {
          events.messageDeadLettered(letter);
          onKept();
        },
        (error: Error) => {
          events.messageNotKept(error);
          onKept(error);
        },
      )
      .finally(() => letters.delete(kept));
    letters.add(kept);
  }

  const message = new MessageReader(batcher, config.clock.max_ahead, events.clockRanAhead);

  function accept(inbound: InboundMessage, done: (error?: Error) => void): void {
    events.messageReceived();
    const route = routes.find(inbound.topic);
    if ("problem" in route) {
      keepDeadLetter(inbound, { reason: route.problem, detail: route.detail }, done);
      return;
    }
    const { counts } = route;
    counts.messages++;
    const problem = message.read(inbound, route);
    const { count } = message;
    if (problem) {
      // The good readings of the message go their way; the message is kept whole beside them.
      const settle = afterBoth(done);
      if (count > 0) batcher.close(route.partition, settle);
      else settle();
      counts.deadLettered++;
      keepDeadLetter(inbound, problem, settle);
    } else if (count === 0) {
      counts.dropped++;
      events.messageDropped("no-readings");
      done();
    } else {
      batcher.close(route.partition, (error) => {
        if (error) events.messageNotKept(error);
        else {
          counts.stored++;
          events.messageStored();
        }
        done(error);
      });
    }
  }

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
      await batcher.drain();
      await Promise.all(letters);
      stopAnswering();
    },
  };
}

type Problem = PayloadProblem | { readonly reason: string; readonly detail: string };

/** Calls `done` after the second call, with the first error of the two. */
function afterBoth(done: (error?: Error) => void): (error?: Error) => void {
  let calls = 0;
  let first: Error | undefined;
  return (error) => {
    first ??= error;
    calls++;
    if (calls === 2) done(first);
  };
}

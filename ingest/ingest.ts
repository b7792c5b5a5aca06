import { randomBytes } from "node:crypto";
import type { DeadLetter } from "../domain/dead-letter.ts";
import { encodeDeadLetter } from "../domain/dead-letter-codec.ts";
import { kindOf, type ReadingValue } from "../domain/reading.ts";
import { deadLetterSubject } from "../domain/subjects.ts";
import type { InboundMessage, PublishGate } from "../platform/publish-gate.ts";
import type { Deps, Service } from "../platform/service.ts";
import { startBridge } from "./bridge.ts";
import type { IngestConfig } from "./config.ts";
import { type DeviceCounts, DeviceLedger } from "./device-ledger.ts";
import { createIngestEvents } from "./events.ts";
import { FrameBatcher } from "./frame-batcher.ts";
import { decodeJson, decodeValue, type PayloadProblem } from "./payload.ts";
import { type Route, TopicRoutes } from "./topic-routes.ts";

export interface Ingest extends Service, PublishGate {}

/** Bus question: what became of each device's messages at this edge (an array of `{ device, counts }`). */
export const INGEST_LEDGER = "ingest.ledger";

const LEDGER_DEVICES_MAX = 100_000;

/** Turns messages into readings, and lets them be acknowledged once the log has them. */
export async function startIngest(config: IngestConfig, deps: Deps & { readonly partitions: number }): Promise<Ingest> {
  const { log, clock, logger } = deps;
  const events = createIngestEvents(logger, deps.metrics);
  const routes = new TopicRoutes({
    sources: config.sources,
    partitions: deps.partitions,
    limits: config.limits,
  });
  const batcher = new FrameBatcher({
    log,
    partitions: deps.partitions,
    ...config.frame,
    origin: randomBytes(9).toString("base64url"),
    onFrame: events.frameSent,
  });
  const ledger = new DeviceLedger(LEDGER_DEVICES_MAX);
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

  /** Adds the readings of a message to its partition's open frame; returns how many, and what was wrong. */
  function decode(message: InboundMessage, route: Route, counts: DeviceCounts): Decoded {
    const { receivedAtUs, payload } = message;
    const latestUs = receivedAtUs + config.clock.max_ahead;
    let count = 0;
    function onReading(metric: string, value: ReadingValue, observedAtUs: number | undefined): void {
      const clockAhead = observedAtUs !== undefined && observedAtUs > latestUs;
      if (clockAhead) {
        counts.clockAhead++;
        events.clockRanAhead();
      }
      const atUs = observedAtUs === undefined || clockAhead ? receivedAtUs : observedAtUs;
      const series = route.series.get(metric, kindOf(value));
      batcher.add(route.partition, { series, atUs, value, clockAhead }, receivedAtUs);
      count++;
    }
    const problem =
      route.source.format === "json"
        ? decodeJson(payload, route.rules, onReading)
        : decodeValue(payload, route.metric ?? "", route.rules, onReading);
    return { count, problem };
  }

  function accept(message: InboundMessage, done: (error?: Error) => void): void {
    events.messageReceived();
    const route = routes.find(message.topic);
    if ("problem" in route) {
      keepDeadLetter(message, { reason: route.problem, detail: route.detail }, done);
      return;
    }
    const counts = ledger.of(route.device);
    counts.messages++;
    const { count, problem } = decode(message, route, counts);
    counts.readings += count;
    if (problem) {
      // The good readings of the message go their way; the message is kept whole beside them.
      const settle = afterBoth(done);
      if (count > 0) batcher.close(route.partition, settle);
      else settle();
      counts.deadLettered++;
      keepDeadLetter(message, problem, settle);
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

interface Decoded {
  readonly count: number;
  readonly problem: PayloadProblem | undefined;
}

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

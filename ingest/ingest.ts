import { randomBytes } from "node:crypto";
import { INGEST_LEDGER } from "../contracts/device-ledgers.ts";
import type { SourceInForce } from "../contracts/sources.ts";
import { US_PER_MS } from "../domain/time.ts";
import type { InboundMessage, PublishGate, PublishOutcome } from "../platform/publish-gate.ts";
import type { Deps, Service } from "../platform/service.ts";
import type { IngestConfig } from "./common/config.ts";
import { DeviceLedger } from "./common/device-ledger.ts";
import { createIngestEvents } from "./common/events.ts";
import { answerDismissals } from "./dead-letters/dismiss.ts";
import { reportKeptLetters } from "./dead-letters/kept-letters.ts";
import { LetterWriter } from "./dead-letters/letter-writer.ts";
import { answerRetries, type Taken } from "./dead-letters/retry.ts";
import { FrameBatcher, type FramePace } from "./frames/frame-batcher.ts";
import { type DeviceSessions, type KeptLetter, MessageLane } from "./frames/message-lane.ts";
import type { ClockLimits } from "./frames/message-reader.ts";
import { type SharedState, startSharedState } from "./shared-state.ts";
import { sourceInForce, watchSources } from "./sources/source-warnings.ts";
import { TopicRoutes } from "./sources/topic-routes.ts";
import { answerTrials } from "./trials/try-letters.ts";

export interface Ingest extends Service, PublishGate, Pick<SharedState, "reach"> {
  /**
   * Takes further messages by this configuration, live and retried ones; those that have arrived are not touched.
   * `sparkplug` stays as it was. Throws RangeError for a source that cannot be compiled, and then changes nothing.
   */
  use(config: IngestConfig): void;
  /** The sources in force, and what is probably wrong with them. */
  sources(): SourceInForce[];
}

export type IngestDeps = Deps & {
  readonly partitions: number;
  /** Puts a gate before the log. */
  readonly hold?: (gate: PublishGate) => PublishGate;
};

const LEDGER_DEVICES_MAX = 100_000;

/**
 * Turns messages into readings, and allows their acknowledgement once the log has them. A message finds its source by
 * its topic (`sources/`), is decoded in the source's format (`formats/`), and its readings share a frame with those
 * of other messages (`frames/`, ADR 2).
 * Invariant: each message is stored, kept as a dead letter (`dead-letters/`), or counted as dropped with a reason,
 * and only then acknowledged. No input from a device throws here.
 */
export async function startIngest(config: IngestConfig, deps: IngestDeps): Promise<Ingest> {
  const { log, clock, logger, metrics, partitions } = deps;
  const events = createIngestEvents(logger, metrics);
  const ledger = new DeviceLedger(LEDGER_DEVICES_MAX);
  const shared = startSharedState(config, { log, clock, events });
  const routes = new TopicRoutes({
    ...{ sources: config.sources, partitions, limits: config.limits, ledger },
    shared: shared.formats,
  });
  const letters = new LetterWriter(log, events);
  const limits = clockLimits(config);
  const createLane = (sessions?: DeviceSessions) => {
    const batcher = new FrameBatcher({
      ...{ log, partitions, ...paceOf(config) },
      origin: randomBytes(9).toString("base64url"),
      onFrame: events.frameSent,
    });
    const lane = new MessageLane({ ...{ routes, batcher, letters, events, limits }, ...(sessions && { sessions }) });
    return { lane, batcher };
  };
  const { lane: live, batcher: liveFrames } = createLane(shared.sessions);
  // Separate from the live ones: a frame has one time of receipt, and a letter may be days old.
  const { lane: retried } = createLane();
  const { hold = (gate) => gate } = deps;
  const gate = hold({
    accept: (message, done) =>
      live.take(message, (error, _readings, letter) => done(error, letter && outcomeOf(letter))),
  });
  const accept: PublishGate["accept"] = (message, done) => gate.accept(message, done);
  const stopWarnings = watchSources(() => routes.sources, events);
  const stopTrials = answerTrials(log, {
    sources: () => routes.sources.map(({ plan }) => plan.config),
    ...{ shared: { schemas: shared.formats.schemas }, onRefused: events.trialRefused },
  });
  const stopLedger = log.bus.respond(INGEST_LEDGER, async () => ledger.entries());
  const stopCounting = reportKeptLetters(log, events);
  const retries = answerRetries({
    log,
    clock,
    events,
    take: (message, retryOf) => takeRetried(retried, message, retryOf),
  });
  const stopDismissals = answerDismissals({ log, clock, events });
  return {
    name: "ingest",
    accept,
    reach: shared.reach,
    use(next) {
      routes.use(next);
      Object.assign(limits, clockLimits(next));
      liveFrames.pace = paceOf(next);
    },
    sources: () => routes.sources.map(sourceInForce),
    health: () =>
      log.healthy()
        ? { ready: true, detail: "" }
        : { ready: false, detail: "the log does not answer; acknowledgements wait" },
    async stop() {
      await Promise.all([live.drain(), retries.stop()]);
      await retried.drain();
      await letters.drain();
      stopWarnings();
      stopTrials();
      stopLedger();
      stopCounting();
      stopDismissals();
      await shared.stop();
    },
  };
}

function clockLimits({ clock }: IngestConfig): ClockLimits {
  return { aheadUsMax: clock.max_ahead, notBeforeUs: Date.parse(clock.not_before) * US_PER_MS };
}

function paceOf({ frame }: IngestConfig): FramePace {
  const lingerMs = frame.linger / US_PER_MS;
  const patientMs = Math.max(lingerMs, frame.ack_budget / US_PER_MS);
  return { readingsMax: frame.readings_max, lingerMs, patientMs };
}

function takeRetried(lane: MessageLane, message: InboundMessage, retryOf: number): Promise<Taken> {
  return new Promise((resolve, reject) => {
    lane.take(
      message,
      (error, readings, letter) => {
        if (error) reject(error);
        else resolve(letter === undefined ? { readings } : { readings, letter: letter.sequence });
      },
      retryOf,
    );
  });
}

const LIMIT_REASONS: ReadonlySet<string> = new Set(["too-many-devices", "too-many-series"]);

/** What the acknowledgement of a message that became a dead letter says. */
function outcomeOf({ sequence, reason, detail }: KeptLetter): PublishOutcome {
  const letter = String(sequence);
  if (reason === "unknown-topic") return { kind: "no-source", letter };
  const cause = LIMIT_REASONS.has(reason) ? "quota" : reason === "bad-topic" ? "topic" : "payload";
  return { kind: "dead-letter", cause, reason: `${reason}: ${detail}`, letter };
}

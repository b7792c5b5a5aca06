import { Backoff } from "../../domain/backoff.ts";
import { encodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { deadLetterSubject } from "../../domain/subjects.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Log } from "../../platform/log/port.ts";
import type { NotifierEvents } from "../common/events.ts";
import type { LoggedChange } from "../common/logged-change.ts";
import type { InFlight } from "../queue/queue-types.ts";
import type { Outcome, Target } from "../targets/target.ts";
import type { TargetSettings } from "../targets/target-settings.ts";

const RETRY_AFTER_MS_MAX = 3_600_000;

export interface AttemptOptions {
  /** The target: `ops.webhook`. */
  readonly name: string;
  readonly target: Target;
  readonly settings: Pick<TargetSettings, "timeout" | "retry">;
  readonly log: Pick<Log, "append">;
  readonly clock: Clock;
  readonly events: NotifierEvents;
  readonly random: () => number;
  /** Something that the notification log stores has changed: the number of attempts. */
  readonly onAttempt: () => void;
}

/** Attempts to deliver notifications to one target, pauses between attempts, and gives up when the retries run out. */
export class DeliveryAttempts {
  readonly #options: AttemptOptions;
  readonly #stopping = new AbortController();
  readonly #sending = new AbortController();
  #pausedUntilMs = 0;

  constructor(options: AttemptOptions) {
    this.#options = options;
  }

  /** The target asked for a pause (`Retry-After`), which applies to every notification. */
  get paused(): boolean {
    return performance.now() < this.#pausedUntilMs;
  }

  /** Resolves to the outcome; undefined if `stop` or `abort` ended the attempts. */
  async deliver(inFlight: InFlight): Promise<"delivered" | "failed" | undefined> {
    const { name, events, onAttempt, random } = this.#options;
    const { first, max } = this.#options.settings.retry;
    const backoff = new Backoff({ firstMs: first / 1_000, maxMs: max / 1_000 }, random);
    for (;;) {
      if (this.#stopping.signal.aborted) return undefined;
      const outcome = await this.#try(inFlight);
      if (outcome === undefined) return undefined;
      if (outcome.kind === "delivered") {
        events.notificationDelivered(name, inFlight.notification, outcome.note);
        return "delivered";
      }
      inFlight.error = outcome.error;
      if (outcome.kind === "refused" || this.#isExhausted(inFlight)) {
        await this.#giveUp(inFlight, outcome.error);
        return "failed";
      }
      events.tryFailed(name, outcome.error);
      onAttempt();
      await this.#pause(backoff, outcome.afterMs ?? 0);
    }
  }

  /** Resends firing alerts to a target that expects them regularly. */
  async keepAlive(keepAlive: NonNullable<Target["keepAlive"]>, firing: readonly LoggedChange[]): Promise<void> {
    const outcome = await this.#withTimeout((signal) => keepAlive.send(firing, signal));
    if (outcome.kind === "delivered" || this.#stopping.signal.aborted) return;
    this.#options.events.keepAliveFailed(this.#options.name, outcome.error);
  }

  /** Starts no further attempts. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Ends the running attempts. */
  abort(): void {
    this.#sending.abort();
  }

  async #try(inFlight: InFlight): Promise<Outcome | undefined> {
    const { name, target, events } = this.#options;
    const startedAtMs = performance.now();
    inFlight.attempts++;
    const outcome = await this.#withTimeout((signal) => target.send(inFlight.notification, signal));
    if (this.#sending.signal.aborted && outcome.kind !== "delivered") return undefined;
    events.tried(name, outcome.kind, (performance.now() - startedAtMs) / 1_000);
    return outcome;
  }

  #isExhausted({ attempts, startedAtUs }: InFlight): boolean {
    const { retry } = this.#options.settings;
    return attempts >= retry.attempts || this.#options.clock.nowUs() - startedAtUs >= retry.within;
  }

  async #pause(backoff: Backoff, afterMs: number): Promise<void> {
    const nowMs = performance.now();
    if (afterMs > 0) this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + Math.min(afterMs, RETRY_AFTER_MS_MAX));
    await sleep(backoff.nextMs(this.#pausedUntilMs - nowMs), { signal: this.#stopping.signal });
  }

  async #giveUp({ notification, attempts }: InFlight, error: string): Promise<void> {
    const { name, log, clock, events } = this.#options;
    const { id, changes, repeat } = notification;
    const body = { id, repeat, changes: changes.map(({ change }) => change) };
    const payload = encodeDeadLetter({
      reason: "notification",
      detail: `${error} (tries: ${attempts})`,
      topic: name,
      payload: new TextEncoder().encode(JSON.stringify(body)),
      clientId: "",
      receivedAtUs: clock.nowUs(),
    });
    try {
      await log.append({ subject: deadLetterSubject("notification"), payload, id: `notifier-${id}` });
      events.notificationGivenUp(name, notification, { attempts, error });
    } catch (cause) {
      events.deadLetterLost(name, cause);
    }
  }

  /** Ends an attempt at its timeout, or on `abort`. `AbortSignal.any` would retain the signal of each attempt. */
  async #withTimeout(send: (signal: AbortSignal) => Promise<Outcome>): Promise<Outcome> {
    const ending = new AbortController();
    const end = (): void => ending.abort();
    const timer = setTimeout(end, this.#options.settings.timeout / 1_000);
    this.#sending.signal.addEventListener("abort", end, { once: true });
    if (this.#sending.signal.aborted) end();
    try {
      return await send(ending.signal);
    } finally {
      clearTimeout(timer);
      this.#sending.signal.removeEventListener("abort", end);
    }
  }
}

import { createInbox, type Msg } from "@nats-io/transport-node";
import { Backoff, type BackoffLimits } from "../../domain/backoff.ts";
import { asError, reasonOf } from "../../domain/reason.ts";
import { rateLimited } from "../async/rate-limited.ts";
import { sleep } from "../async/sleep.ts";
import { type Connection, WARNINGS } from "./jetstream-connection.ts";
import {
  firstWord,
  MESSAGE_TOO_LARGE,
  newPending,
  type Pending,
  parseAck,
  WRONG_LAST_SEQUENCE,
} from "./jetstream-pending.ts";
import { type Append, type Appended, ConflictError, LogClosedError, TooLargeError } from "./port.ts";

/** More unacknowledged messages only add latency; the rest waits. */
const IN_FLIGHT_MAX = 1_024;
const IN_FLIGHT_BYTES_MAX = 16 * 1_048_576;
const ACK_TIMEOUT_MS = 5_000;
const ACK_TIMEOUT_MS_MAX = 60_000;
const BACKOFF: BackoffLimits = { firstMs: 100, maxMs: 2_000 };
const SWEEP_EVERY_MS = 500;
/** Ids are trusted for this part of the server's duplicate window: its clock is not ours. */
export const ID_TRUST = 0.75;

export interface AppenderOptions {
  readonly connection: Connection;
  /** The server remembers the ids of messages for this long. */
  readonly duplicateWindowMs: number;
  /** The first message of a subject after a sequence: just enough to see whether it is ours. */
  readonly firstAfter: FirstAfter;
  /** The newest sequence of the subject's stream when the log was opened. */
  readonly endAtStart: (subject: string) => number;
}

export type FirstAfter = (
  subject: string,
  sequence: number,
) => Promise<{ readonly id: string; readonly sequence: number } | undefined>;

/**
 * Publishes and waits for JetStream's acknowledgements. Unacknowledged messages are kept. After a reconnect, a
 * temporary refusal or a long silence, all of them are sent again in their original order; by their ids the server
 * drops those that it has. If so much time passed that the server may have forgotten ids, the log is searched for
 * them first.
 */
export class Appender {
  readonly #connection: Connection;
  readonly #options: AppenderOptions;
  readonly #inbox = createInbox();
  readonly #pending = new Map<number, Pending>();
  /** Still to be sent, in order, from `#next` on. */
  #waiting: Pending[] = [];
  #next = 0;
  #inFlight = 0;
  #inFlightBytes = 0;
  #lastToken = 0;
  /** The newest acknowledged sequence, by the subject's first word. */
  readonly #acknowledgedUpTo = new Map<string, number>();
  #lookingBack = false;
  #pausedUntilMs = 0;
  readonly #backoff = new Backoff(BACKOFF, Math.random);
  #ackTimeoutMs = ACK_TIMEOUT_MS;
  #sweeper: NodeJS.Timeout | undefined;
  #stopListening: () => void = () => {};
  #closed = false;
  readonly #warnRefused = rateLimited(
    (reason: string) => this.#connection.logger.warn(`NATS refused an append for now: ${reason}; trying again`),
    WARNINGS,
  );
  readonly #warnSilent = rateLimited(
    (silentMs: number) =>
      this.#connection.logger.warn(`${this.#pending.size} appends unacknowledged, the oldest for ${silentMs} ms`),
    WARNINGS,
  );

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#connection = options.connection;
  }

  start(): void {
    const prefixLength = this.#inbox.length + 1;
    this.#connection.nc.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#acknowledged(Number(message.subject.slice(prefixLength)), message);
      },
    });
    this.#stopListening = this.#connection.onUp(() => this.#sendAllAgain());
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_EVERY_MS);
    this.#sweeper.unref();
  }

  append(message: Append): Promise<Appended> {
    if (this.#closed) return Promise.reject(new LogClosedError("the log is closed"));
    return new Promise((resolve, reject) => {
      const pending = newPending(++this.#lastToken, message, resolve, reject);
      this.#pending.set(pending.token, pending);
      this.#waiting.push(pending);
      this.#pump();
    });
  }

  /** False while appends to the log wait longer than they should. */
  prompt(): boolean {
    const [oldest] = this.#pending.values();
    return oldest === undefined || oldest.attempts === 0 || performance.now() - oldest.doubtedFromMs < ACK_TIMEOUT_MS;
  }

  /** Waits briefly for appends in flight, then rejects them. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    const endMs = performance.now() + graceMs;
    while (this.#pending.size > 0 && this.#connection.isUp() && performance.now() < endMs) {
      await sleep(5);
    }
    clearInterval(this.#sweeper);
    this.#stopListening();
    const left = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of left) pending.reject(new LogClosedError(`closed before ${pending.subject} was acknowledged`));
  }

  #pump(): void {
    if (!this.#connection.isUp() || this.#lookingBack || performance.now() < this.#pausedUntilMs) return;
    while (this.#next < this.#waiting.length) {
      if (this.#inFlight >= IN_FLIGHT_MAX || this.#inFlightBytes >= IN_FLIGHT_BYTES_MAX) {
        this.#forgetSent();
        return;
      }
      const pending = this.#waiting[this.#next++];
      // Settled by the acknowledgement of an earlier attempt.
      if (pending === undefined || !this.#pending.has(pending.token)) continue;
      this.#send(pending);
    }
    this.#waiting = [];
    this.#next = 0;
  }

  /** Drops sent entries while more arrive: under steady load the list is never empty. */
  #forgetSent(): void {
    if (this.#next < IN_FLIGHT_MAX) return;
    this.#waiting.splice(0, this.#next);
    this.#next = 0;
  }

  #send(pending: Pending): void {
    try {
      const options = { reply: `${this.#inbox}.${pending.token}`, headers: pending.headers };
      this.#connection.nc.publish(pending.subject, pending.payload, options);
    } catch (error) {
      if (this.#connection.nc.isClosed()) return;
      this.#settle(pending);
      const reason = reasonOf(error);
      pending.reject(new TooLargeError(`${pending.payload.length} bytes for ${pending.subject}: ${reason}`));
      return;
    }
    pending.attempts++;
    pending.sentAtMs = performance.now();
    if (pending.attempts === 1) {
      pending.doubtedFromMs = pending.sentAtMs;
      pending.after =
        this.#acknowledgedUpTo.get(firstWord(pending.subject)) ?? this.#options.endAtStart(pending.subject);
    }
    pending.inFlight = true;
    this.#inFlight++;
    this.#inFlightBytes += pending.payload.length;
  }

  #acknowledged(token: number, message: Msg): void {
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    const ack = parseAck(message);
    if (ack.error !== undefined) {
      this.#refused(pending, ack.error.err_code ?? 0, ack.error.description ?? "no reason given");
    } else {
      this.#settle(pending);
      this.#backoff.reset();
      this.#ackTimeoutMs = ACK_TIMEOUT_MS;
      this.#acknowledgedUpTo.set(firstWord(pending.subject), ack.seq ?? 0);
      // After a second attempt "duplicate" most likely means our own first one.
      const duplicate = ack.duplicate === true && pending.attempts === 1;
      pending.resolve({ sequence: ack.seq ?? 0, duplicate });
    }
    this.#pump();
  }

  #refused(pending: Pending, code: number, reason: string): void {
    if (WRONG_LAST_SEQUENCE.has(code)) {
      this.#settle(pending);
      void this.#conflicted(pending, reason);
    } else if (code === MESSAGE_TOO_LARGE) {
      this.#settle(pending);
      pending.reject(new TooLargeError(`${pending.payload.length} bytes for ${pending.subject}: ${reason}`));
    } else {
      this.#warnRefused(`${reason} (${code})`);
      this.#pause();
    }
  }

  /** Nothing overtakes a refused append: all wait, then all are sent again in order. */
  #pause(): void {
    if (performance.now() < this.#pausedUntilMs) return;
    const waitMs = this.#backoff.nextMs();
    this.#pausedUntilMs = performance.now() + waitMs;
    setTimeout(() => {
      this.#pausedUntilMs = 0;
      this.#sendAllAgain();
    }, waitMs).unref();
  }

  /**
   * The message in the way may be our own, stored by an earlier attempt whose acknowledgement was lost. Then it is
   * the first one after the expected sequence. (Servers check the expected sequence before they check ids.)
   */
  async #conflicted(pending: Pending, reason: string): Promise<void> {
    try {
      const next = await this.#options.firstAfter(pending.subject, pending.expected ?? 0);
      const duplicate = pending.attempts === 1;
      if (next?.id === pending.id) pending.resolve({ sequence: next.sequence, duplicate });
      else pending.reject(new ConflictError(`${pending.subject}: ${reason}`));
    } catch (error) {
      pending.reject(asError(error));
    }
  }

  #settle(pending: Pending): void {
    this.#pending.delete(pending.token);
    this.#landed(pending);
  }

  #landed(pending: Pending): void {
    if (!pending.inFlight) return;
    pending.inFlight = false;
    this.#inFlight--;
    this.#inFlightBytes -= pending.payload.length;
  }

  #sendAllAgain(): void {
    if (!this.#connection.isUp() || this.#lookingBack) return;
    for (const pending of this.#pending.values()) this.#landed(pending);
    this.#waiting = [...this.#pending.values()];
    this.#next = 0;
    const trustedFromMs = performance.now() - this.#options.duplicateWindowMs * ID_TRUST;
    const doubtful = this.#waiting.filter(
      ({ attempts, expected, doubtedFromMs }) =>
        attempts > 0 && expected === undefined && doubtedFromMs < trustedFromMs,
    );
    if (doubtful.length > 0) void this.#lookBack(doubtful);
    else this.#pump();
  }

  /**
   * Finds the appends that are stored already: sent again after the server forgot their ids, they would be stored
   * twice.
   */
  async #lookBack(doubtful: readonly Pending[]): Promise<void> {
    this.#lookingBack = true;
    this.#connection.logger.info(
      `checking whether ${doubtful.length} appends were stored before the log became unreachable`,
    );
    try {
      for (const subject of new Set(doubtful.map((pending) => pending.subject))) {
        await this.#resolveStored(
          subject,
          doubtful.filter((pending) => pending.subject === subject),
        );
      }
    } catch (err) {
      if (!this.#closed) this.#connection.logger.error({ err }, "could not check for stored appends");
    }
    const nowMs = performance.now();
    for (const pending of doubtful) pending.doubtedFromMs = nowMs;
    this.#lookingBack = false;
    this.#sendAllAgain();
  }

  async #resolveStored(subject: string, ofSubject: readonly Pending[]): Promise<void> {
    const byId = new Map(ofSubject.map((pending) => [pending.id, pending]));
    for (let after = Math.min(...ofSubject.map((pending) => pending.after)); byId.size > 0; ) {
      const stored = await this.#options.firstAfter(subject, after);
      if (stored === undefined) return;
      after = stored.sequence;
      const pending = byId.get(stored.id);
      if (pending === undefined) continue;
      byId.delete(stored.id);
      if (!this.#pending.has(pending.token)) continue;
      this.#settle(pending);
      pending.resolve({ sequence: stored.sequence, duplicate: false });
    }
  }

  #sweep(): void {
    const [oldest] = this.#pending.values();
    if (oldest === undefined || !oldest.inFlight || !this.#connection.isUp()) return;
    const silentMs = performance.now() - oldest.sentAtMs;
    if (silentMs < this.#ackTimeoutMs) return;
    this.#warnSilent(Math.round(silentMs));
    this.#ackTimeoutMs = Math.min(this.#ackTimeoutMs * 2, ACK_TIMEOUT_MS_MAX);
    this.#sendAllAgain();
  }
}

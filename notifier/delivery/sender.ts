import { setTimeout as pause } from "node:timers/promises";
import type { Delivery } from "../../contracts/notifications.ts";
import { encodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { deadLetterSubject, deliverySubject } from "../../domain/subjects.ts";
import type { Clock } from "../../platform/clock.ts";
import { type Follower, follow } from "../../platform/log/follow.ts";
import type { Log, LogMessage } from "../../platform/log/port.ts";
import { readNewest } from "../../platform/log/read-range.ts";
import { type ChangeEntry, readEntry } from "../common/change-entry.ts";
import type { CommonConfig } from "../common/config.ts";
import type { NotifierEvents } from "../common/events.ts";
import { deliveryRecordSchema, type Flight, type FlightRecord } from "../common/lane-types.ts";
import type { Inhibitions } from "../inhibition/inhibition.ts";
import type { Board } from "../routing/board.ts";
import type { Orders } from "../routing/orders.ts";
import type { Route } from "../routing/router.ts";
import type { Message, Outcome, Target } from "../targets/target.ts";
import { Journal, SupersededError } from "./journal.ts";
import { Lane } from "./lane.ts";

const TICK_MS = 100;
const PRUNE_EVERY_MS = 5_000;
const STOP_MS = 3_000;
const RETRY_AFTER_MS_MAX = 3_600_000;
const WAITING_MAX = 10_000;

export interface SenderOptions {
  readonly receiver: string;
  readonly targetName: string;
  readonly target: Target;
  readonly config: CommonConfig;
  readonly maxAgeUs: number;
  readonly route: Route;
  readonly log: Log;
  readonly clock: Clock;
  readonly orders: Orders;
  readonly board: Board;
  readonly inhibitions: Inhibitions;
  readonly events: NotifierEvents;
  readonly random: () => number;
  /** Changes that may wait for this target in memory; more wait in the log. */
  readonly waitingMax?: number;
  /** It cannot go on: the state cannot be kept, or another notifier works. */
  readonly onFailed: (error: unknown) => void;
}

/** Tells one target: reads the alerts, asks the lane what to send, sends it, and remembers what came of it. */
export class Sender {
  readonly name: string;
  readonly #options: SenderOptions;
  #lane: Lane | undefined;
  readonly #journal: Journal;
  readonly #stopping = new AbortController();
  readonly #sending = new AbortController();
  readonly #flying = new Set<Promise<void>>();
  #follower: Follower | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #keepAlive: NodeJS.Timeout | undefined;
  /** Messages that were on their way when the last notifier ended. */
  #left: readonly FlightRecord[] = [];
  #ready = false;
  #refreshing = false;
  #keptCursor = 0;
  #pausedUntilMs = 0;
  #prunedAtMs = 0;
  #roomWanted: (() => void) | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    const { receiver, targetName, log } = options;
    this.name = `${receiver}.${targetName}`;
    this.#journal = new Journal(
      log,
      { receiver, target: targetName },
      {
        cursor: () => this.#current.cursor(),
        flights: () => (this.#ready ? this.#current.flightRecords() : this.#left),
        takeRecords: () => this.#current.takeRecords(),
      },
    );
  }

  /** Begins where the last one ended. */
  async start(): Promise<void> {
    const { log, board, clock } = this.#options;
    const state = await this.#journal.claim();
    const { lastSequence } = await log.bounds("ALERTS");
    const cursor = state?.cursor ?? lastSequence + 1;
    const lane = this.#newLane(cursor);
    this.#lane = lane;
    await this.#restore(lane);
    if (this.#stopping.signal.aborted) return;
    // A new receiver hears of what fires, not of what was.
    if (state === undefined) {
      for (const entry of firing(board)) lane.take(entry);
      await this.#journal.keep();
    }
    this.#left = state?.flights ?? [];
    if (this.#stopping.signal.aborted) return;
    const wanted = new Map<number, ChangeEntry | undefined>();
    for (const { changes } of this.#left) for (const { sequence } of changes) wanted.set(sequence, undefined);
    for (const entry of board.entries()) if (wanted.has(entry.sequence)) wanted.set(entry.sequence, entry);
    const begin = (): void => {
      if (this.#ready || this.#stopping.signal.aborted) return;
      this.#resume(this.#left, wanted);
      this.#ready = true;
      this.#left = [];
      this.#pump();
    };
    this.#follower = follow({
      log,
      stream: "ALERTS",
      from: cursor,
      apply: async (message) => {
        const entry = this.#take(lane, message);
        if (wanted.has(message.sequence)) wanted.set(message.sequence, entry);
        // What has happened meanwhile is known before anybody is woken.
        if (message.sequence >= lastSequence || lane.full) begin();
        this.#pump();
        if (lane.full) await this.#room(lane);
      },
      onFailed: (error) => this.#options.events.readFailed("ALERTS", error),
    });
    if (cursor > lastSequence) begin();
    this.#ticker = setInterval(() => this.#tick(clock.nowUs()), TICK_MS);
    const { keepAlive } = this.#options.target;
    if (keepAlive !== undefined) {
      this.#keepAlive = setInterval(() => void this.#refresh(keepAlive), keepAlive.everyMs);
      void this.#refresh(keepAlive);
    }
  }

  /** Lets what is on its way arrive, for a short time. What does not is sent again, with its id, at the next start. */
  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    clearInterval(this.#ticker);
    clearInterval(this.#keepAlive);
    this.#roomWanted?.();
    await this.#follower?.stop();
    await Promise.race([Promise.allSettled(this.#flying), pause(STOP_MS, undefined, { ref: false })]);
    this.#sending.abort();
    await Promise.allSettled(this.#flying);
    if (this.#ready) await this.#journal.keep().catch(() => {});
    await this.#options.target.close();
  }

  deliveriesOf(alert: string): readonly Delivery[] {
    return this.#lane?.deliveriesOf(alert) ?? [];
  }

  deliverySubject(alert: string): string {
    const { receiver, targetName: target } = this.#options;
    return deliverySubject({ receiver, target, alert });
  }

  /** Orders have changed: something may be due now. */
  look(): void {
    this.#lane?.lookAgain();
    this.#pump();
  }

  get #current(): Lane {
    if (this.#lane === undefined) throw new Error(`${this.name} has not begun`);
    return this.#lane;
  }

  #newLane(cursor: number): Lane {
    const { route, config, maxAgeUs, orders, events, target, waitingMax = WAITING_MAX } = this.#options;
    const { inhibitions } = this.#options;
    return new Lane(
      {
        ...{ receiver: this.name, route, collapse: config.collapse, maxAgeUs, waitingMax },
        repeats: target.keepAlive === undefined,
        isSilenced: ({ change }, nowUs) => orders.silencedBy(change, nowUs).length > 0,
        inhibition: (entry, nowUs, overAtUs) => inhibitions.look(entry, nowUs, overAtUs),
        isAcknowledged: ({ alert, change }) => orders.acknowledgement(alert, change.incident) !== undefined,
        onSettled: (outcome, entry) => events.changeSettled(this.name, outcome, entry),
      },
      cursor,
    );
  }

  async #restore(lane: Lane): Promise<void> {
    const { log, board, events } = this.#options;
    const prefix = this.deliverySubject("");
    await readNewest(log, { stream: "NOTIFICATIONS" }, ({ subject, sequence, payload }) => {
      if (!subject.startsWith(prefix)) return;
      const alert = subject.slice(prefix.length);
      try {
        const record = deliveryRecordSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
        const newest = board.alert(alert);
        lane.restore(alert, record, newest?.change.state === "firing" ? newest : undefined);
      } catch (error) {
        events.messageUnreadable("NOTIFICATIONS", sequence, error);
      }
    });
  }

  #take(lane: Lane, message: LogMessage): ChangeEntry | undefined {
    try {
      const entry = readEntry(message);
      lane.take(entry);
      return entry;
    } catch (error) {
      this.#options.events.messageUnreadable("ALERTS", message.sequence, error);
      return undefined;
    }
  }

  #resume(records: readonly FlightRecord[], entries: ReadonlyMap<number, ChangeEntry | undefined>): void {
    for (const record of records) {
      const found = this.#current.resume(record, (sequence) => entries.get(sequence));
      if (found.kind === "flying") this.#launch(found.flight);
      else if (found.kind === "lost") this.#options.events.flightLost(this.name, record.id);
    }
  }

  /** Waits until the lane takes more. */
  async #room(lane: Lane): Promise<void> {
    this.#options.events.queueFilled(this.name);
    while (lane.full && !this.#stopping.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#roomWanted = resolve;
      });
    }
    this.#roomWanted = undefined;
  }

  #tick(nowUs: number): void {
    this.#pump();
    const lane = this.#current;
    const oldestUs = lane.oldestWaitingUs();
    this.#options.events.queueMeasured(this.name, lane.waiting, oldestUs === undefined ? 0 : (nowUs - oldestUs) / 1e6);
    if (performance.now() - this.#prunedAtMs < PRUNE_EVERY_MS) return;
    this.#prunedAtMs = performance.now();
    const cursor = lane.cursor();
    lane.prune(cursor);
    // The cursor moves on over what is for others, too.
    if (!this.#ready || cursor === this.#keptCursor) return;
    this.#keptCursor = cursor;
    this.#keep();
  }

  #pump(): void {
    if (!this.#ready || this.#stopping.signal.aborted) return;
    const lane = this.#current;
    while (this.#flying.size < this.#options.config.concurrency && performance.now() >= this.#pausedUntilMs) {
      const flight = lane.next(this.#options.clock.nowUs());
      if (flight === undefined) break;
      this.#launch(flight);
    }
    if (!lane.full) this.#roomWanted?.();
  }

  #launch(flight: Flight): void {
    const flying: Promise<void> = this.#fly(flight)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#flying.delete(flying);
        this.#pump();
      });
    this.#flying.add(flying);
  }

  async #fly(flight: Flight): Promise<void> {
    const { clock, events } = this.#options;
    await this.#journal.keep();
    for (;;) {
      if (this.#stopping.signal.aborted) return;
      const outcome = await this.#try(flight);
      if (outcome === undefined) return;
      if (outcome.kind === "delivered") {
        events.messageDelivered(this.name, flight, outcome.note);
        this.#current.land(flight, true, clock.nowUs());
        this.#keep();
        return;
      }
      flight.error = outcome.error;
      if (outcome.kind === "refused" || this.#isOver(flight)) {
        await this.#giveUp(flight, outcome.error);
        return;
      }
      events.tryFailed(this.name, outcome.error);
      this.#keep();
      await this.#backOff(flight, outcome.afterMs ?? 0);
    }
  }

  /** One try; undefined when it was ended by the stop. */
  async #try(flight: Flight): Promise<Outcome | undefined> {
    const { target, events } = this.#options;
    const startedAtMs = performance.now();
    flight.attempts++;
    const outcome = await this.#inTime((signal) => target.send(this.#message(flight), signal));
    if (this.#sending.signal.aborted && outcome.kind !== "delivered") return undefined;
    events.tried(this.name, outcome.kind, (performance.now() - startedAtMs) / 1_000);
    return outcome;
  }

  #message({ id, repeat, grouped, labels, entries }: Flight): Message {
    return { id, receiver: this.name, repeat, grouped, labels, entries };
  }

  #isOver({ attempts, startedAtUs }: Flight): boolean {
    const { retry } = this.#options.config;
    return attempts >= retry.attempts || this.#options.clock.nowUs() - startedAtUs >= retry.within;
  }

  /** Exponential with full jitter: those who failed together do not come back together. */
  async #backOff({ attempts }: Flight, afterMs: number): Promise<void> {
    const { config, random } = this.#options;
    const { first, max } = config.retry;
    const leastMs = Math.min(afterMs, RETRY_AFTER_MS_MAX);
    if (leastMs > 0) this.#pausedUntilMs = Math.max(this.#pausedUntilMs, performance.now() + leastMs);
    const ceilingMs = Math.min(max, first * 2 ** Math.min(attempts - 1, 40)) / 1_000;
    const pauseMs = Math.max(leastMs, random() * ceilingMs, this.#pausedUntilMs - performance.now());
    await pause(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }

  async #giveUp(flight: Flight, error: string): Promise<void> {
    const { log, clock, events } = this.#options;
    const { id, entries, repeat } = flight;
    const payload = encodeDeadLetter({
      reason: "notification",
      detail: `${error} (tries: ${flight.attempts})`,
      topic: this.name,
      payload: new TextEncoder().encode(JSON.stringify({ id, repeat, changes: entries.map(({ change }) => change) })),
      clientId: "",
      receivedAtUs: clock.nowUs(),
    });
    try {
      await log.append({ subject: deadLetterSubject("notification"), payload, id: `notifier-${id}` });
      events.messageGivenUp(this.name, flight, error);
    } catch (cause) {
      events.deadLetterLost(this.name, cause);
    }
    this.#current.land(flight, false, clock.nowUs());
    this.#keep();
  }

  async #refresh(keepAlive: NonNullable<Target["keepAlive"]>): Promise<void> {
    const entries = this.#current.toldFiring();
    if (entries.length === 0 || this.#refreshing) return;
    this.#refreshing = true;
    const outcome = await this.#inTime((signal) => keepAlive.send(entries, signal));
    this.#refreshing = false;
    if (outcome.kind !== "delivered" && !this.#stopping.signal.aborted) {
      this.#options.events.keepAliveFailed(this.name, outcome.error);
    }
  }

  /** Ends a try at its timeout, or when the sender stops. `AbortSignal.any` would hold on to each try's signal. */
  async #inTime(send: (signal: AbortSignal) => Promise<Outcome>): Promise<Outcome> {
    const ending = new AbortController();
    const end = (): void => ending.abort();
    const timer = setTimeout(end, this.#options.config.timeout / 1_000);
    this.#sending.signal.addEventListener("abort", end, { once: true });
    if (this.#sending.signal.aborted) end();
    try {
      return await send(ending.signal);
    } finally {
      clearTimeout(timer);
      this.#sending.signal.removeEventListener("abort", end);
    }
  }

  #keep(): void {
    this.#journal.keep().catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    if (!this.#stopping.signal.aborted || error instanceof SupersededError) this.#options.onFailed(error);
  }
}

function firing(board: Board): ChangeEntry[] {
  return board
    .entries()
    .filter(({ change }) => change.state === "firing")
    .sort((a, b) => a.sequence - b.sequence);
}

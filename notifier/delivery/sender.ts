import type { Delivery } from "../../contracts/notifications.ts";
import { deliverySubject } from "../../domain/subjects.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Clock } from "../../platform/clock.ts";
import { type Follower, follow } from "../../platform/log/follow.ts";
import type { Log, LogMessage } from "../../platform/log/port.ts";
import { readNewest } from "../../platform/log/read-range.ts";
import type { NotifierEvents } from "../common/events.ts";
import { type LoggedChange, readChange } from "../common/logged-change.ts";
import { NotificationQueue } from "../queue/notification-queue.ts";
import type { InFlight, InFlightRecord } from "../queue/queue-types.ts";
import type { Route } from "../routes/route.ts";
import type { NotifierState } from "../state/notifier-state.ts";
import type { Target } from "../targets/target.ts";
import type { TargetSettings } from "../targets/target-settings.ts";
import { DeliveryAttempts } from "./delivery-attempts.ts";
import { NotificationLog, SupersededError } from "./notification-log.ts";
import { decodeAlertRecord } from "./stored-records.ts";

const TICK_MS = 100;
const PRUNE_EVERY_MS = 5_000;
const STOP_MS = 3_000;
const WAITING_MAX = 10_000;

export interface SenderOptions {
  readonly receiver: string;
  readonly targetName: string;
  readonly target: Target;
  readonly settings: TargetSettings;
  readonly maxAgeUs: number;
  readonly route: Route;
  readonly log: Log;
  readonly clock: Clock;
  readonly state: NotifierState;
  readonly events: NotifierEvents;
  readonly random: () => number;
  /** How many changes this target's queue holds in memory; the rest wait in the log. */
  readonly waitingMax?: number;
  /** The sender cannot continue: its state cannot be stored, or another notifier has taken over. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * Notifies one target. Reads the alerts stream into a `NotificationQueue`, sends the notifications that are due
 * (`DeliveryAttempts`), and stores the decisions (`NotificationLog`) before it sends the next ones. A start resumes
 * where the last run ended: it resends the notifications that were in flight, with the same ids.
 */
export class Sender {
  readonly name: string;
  readonly #options: SenderOptions;
  readonly #notificationLog: NotificationLog;
  readonly #attempts: DeliveryAttempts;
  readonly #running = new Set<Promise<void>>();
  #queue: NotificationQueue | undefined;
  #follower: Follower | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #keepAliveTimer: NodeJS.Timeout | undefined;
  /** Notifications that were in flight when the last run ended, until the queue resumes them. */
  #unresumed: readonly InFlightRecord[] = [];
  #stopped = false;
  #ready = false;
  #keepingAlive = false;
  #storedCursor = 0;
  #prunedAtMs = 0;
  #roomWanted: (() => void) | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    const { receiver, targetName, target, settings, log, clock, events, random } = options;
    this.name = `${receiver}.${targetName}`;
    this.#notificationLog = new NotificationLog(
      log,
      { receiver, target: targetName },
      {
        cursor: () => this.#current.cursor(),
        inFlightRecords: () => (this.#ready ? this.#current.inFlightRecords() : this.#unresumed),
        takeRecords: () => this.#current.takeRecords(),
      },
    );
    this.#attempts = new DeliveryAttempts({
      ...{ name: this.name, target, settings, log, clock, events, random },
      onAttempt: () => this.#store(),
    });
  }

  /** Resumes where the last run ended. */
  async start(): Promise<void> {
    const { log, clock, state } = this.#options;
    const stored = await this.#notificationLog.claim();
    const { lastSequence } = await log.bounds("ALERTS");
    const cursor = stored?.cursor ?? lastSequence + 1;
    const queue = this.#newQueue(cursor);
    this.#queue = queue;
    await this.#restore(queue);
    if (this.#stopped) return;
    // A new receiver is notified of alerts that fire, not of those that have ended.
    if (stored === undefined) {
      for (const logged of state.openAlerts.firing()) queue.add(logged);
      await this.#notificationLog.store();
    }
    if (this.#stopped) return;
    this.#unresumed = stored?.inFlight ?? [];
    this.#follow(queue, cursor, lastSequence);
    this.#ticker = setInterval(() => this.#tick(clock.nowUs()), TICK_MS);
    const { keepAlive } = this.#options.target;
    if (keepAlive !== undefined) {
      this.#keepAliveTimer = setInterval(() => void this.#keepAlive(keepAlive), keepAlive.everyMs);
      void this.#keepAlive(keepAlive);
    }
  }

  /**
   * Waits a short time for the running attempts. Notifications that do not arrive are resent, with their ids, at the
   * next start.
   */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#attempts.stop();
    clearInterval(this.#ticker);
    clearInterval(this.#keepAliveTimer);
    this.#roomWanted?.();
    await this.#follower?.stop();
    await Promise.race([Promise.allSettled(this.#running), sleep(STOP_MS, { ref: false })]);
    this.#attempts.abort();
    await Promise.allSettled(this.#running);
    if (this.#ready) await this.#notificationLog.store().catch(() => {});
    await this.#options.target.close();
  }

  deliveriesOf(alert: string): readonly Delivery[] {
    return this.#queue?.deliveriesOf(alert) ?? [];
  }

  deliverySubject(alert: string): string {
    const { receiver, targetName: target } = this.#options;
    return deliverySubject({ receiver, target, alert });
  }

  /** A silence or an acknowledgement changed: a notification may be due now. */
  reevaluate(): void {
    this.#queue?.reevaluate();
    this.#sendDue();
  }

  get #current(): NotificationQueue {
    if (this.#queue === undefined) throw new Error(`${this.name} has not started`);
    return this.#queue;
  }

  #newQueue(cursor: number): NotificationQueue {
    const { route, settings, maxAgeUs, target, events, waitingMax = WAITING_MAX } = this.#options;
    const { silences, acknowledgements, inhibitions } = this.#options.state;
    return new NotificationQueue(
      {
        ...{ receiver: this.name, route, collapse: settings.collapse, maxAgeUs, waitingMax },
        repeats: target.keepAlive === undefined,
        isSilenced: ({ change }, nowUs) => silences.matching(change, nowUs).length > 0,
        inhibition: (logged, nowUs, endedAtUs) => inhibitions.evaluate(logged, nowUs, endedAtUs),
        isAcknowledged: ({ alert, change }) => acknowledgements.get(alert, change.incident) !== undefined,
        onDecided: (outcome, { change }) => events.changeDecided(this.name, outcome, change),
      },
      cursor,
    );
  }

  async #restore(queue: NotificationQueue): Promise<void> {
    const { log, state, events } = this.#options;
    const prefix = this.deliverySubject("");
    await readNewest(log, { stream: "NOTIFICATIONS" }, ({ subject, sequence, payload }) => {
      if (!subject.startsWith(prefix)) return;
      const alert = subject.slice(prefix.length);
      try {
        const newest = state.openAlerts.alert(alert);
        queue.restore(alert, decodeAlertRecord(payload), newest?.change.state === "firing" ? newest : undefined);
      } catch (error) {
        events.messageUnreadable("NOTIFICATIONS", sequence, error);
      }
    });
  }

  /** Reads the alerts from the cursor on. Sends nothing until the queue has everything up to `lastSequence`. */
  #follow(queue: NotificationQueue, cursor: number, lastSequence: number): void {
    const { log, state, events } = this.#options;
    const wanted = new Map<number, LoggedChange | undefined>();
    for (const { changes } of this.#unresumed) for (const { sequence } of changes) wanted.set(sequence, undefined);
    for (const logged of state.openAlerts.changes())
      if (wanted.has(logged.sequence)) wanted.set(logged.sequence, logged);
    this.#follower = follow({
      log,
      stream: "ALERTS",
      from: cursor,
      apply: async (message) => {
        const logged = this.#add(queue, message);
        if (wanted.has(message.sequence)) wanted.set(message.sequence, logged);
        if (message.sequence >= lastSequence || queue.full) this.#begin(wanted);
        this.#sendDue();
        if (queue.full) await this.#room(queue);
      },
      onFailed: (error) => events.readFailed("ALERTS", error),
    });
    if (cursor > lastSequence) this.#begin(wanted);
  }

  #add(queue: NotificationQueue, message: LogMessage): LoggedChange | undefined {
    try {
      const logged = readChange(message);
      queue.add(logged);
      return logged;
    } catch (error) {
      this.#options.events.messageUnreadable("ALERTS", message.sequence, error);
      return undefined;
    }
  }

  /** Resumes the notifications of the last run, and starts sending. `changes`: their changes, by sequence. */
  #begin(changes: ReadonlyMap<number, LoggedChange | undefined>): void {
    if (this.#ready || this.#stopped) return;
    for (const record of this.#unresumed) {
      const resumed = this.#current.resume(record, (sequence) => changes.get(sequence));
      if (resumed.kind === "in-flight") this.#start(resumed.inFlight);
      else if (resumed.kind === "lost") this.#options.events.notificationLost(this.name, record.id);
    }
    this.#ready = true;
    this.#unresumed = [];
    this.#sendDue();
  }

  /** Waits until the queue has room. */
  async #room(queue: NotificationQueue): Promise<void> {
    this.#options.events.queueFilled(this.name);
    while (queue.full && !this.#stopped) {
      await new Promise<void>((resolve) => {
        this.#roomWanted = resolve;
      });
    }
    this.#roomWanted = undefined;
  }

  #tick(nowUs: number): void {
    this.#sendDue();
    const queue = this.#current;
    const oldestUs = queue.oldestWaitingUs;
    const oldestSeconds = oldestUs === undefined ? 0 : (nowUs - oldestUs) / 1e6;
    this.#options.events.queueMeasured(this.name, queue.waiting, oldestSeconds);
    if (performance.now() - this.#prunedAtMs < PRUNE_EVERY_MS) return;
    this.#prunedAtMs = performance.now();
    const cursor = queue.cursor();
    queue.prune(cursor);
    // The cursor also moves past changes for other receivers.
    if (!this.#ready || cursor === this.#storedCursor) return;
    this.#storedCursor = cursor;
    this.#store();
  }

  #sendDue(): void {
    if (!this.#ready || this.#stopped) return;
    const queue = this.#current;
    while (this.#running.size < this.#options.settings.concurrency && !this.#attempts.paused) {
      const inFlight = queue.next(this.#options.clock.nowUs());
      if (inFlight === undefined) break;
      this.#start(inFlight);
    }
    if (!queue.full) this.#roomWanted?.();
  }

  #start(inFlight: InFlight): void {
    const running: Promise<void> = this.#deliver(inFlight)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#running.delete(running);
        this.#sendDue();
      });
    this.#running.add(running);
  }

  async #deliver(inFlight: InFlight): Promise<void> {
    await this.#notificationLog.store();
    const outcome = await this.#attempts.deliver(inFlight);
    if (outcome === undefined) return;
    this.#current.finish(inFlight, outcome, this.#options.clock.nowUs());
    this.#store();
  }

  async #keepAlive(keepAlive: NonNullable<Target["keepAlive"]>): Promise<void> {
    const firing = this.#current.deliveredFiring();
    if (firing.length === 0 || this.#keepingAlive) return;
    this.#keepingAlive = true;
    await this.#attempts.keepAlive(keepAlive, firing);
    this.#keepingAlive = false;
  }

  #store(): void {
    this.#notificationLog.store().catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    if (!this.#stopped || error instanceof SupersededError) this.#options.onFailed(error);
  }
}

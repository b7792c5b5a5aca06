import type { Logger } from "pino";
import type { DeliveryOutcome } from "../../contracts/notifications.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { reasonOf } from "../../domain/reason.ts";
import type { Metrics } from "../../platform/metrics.ts";
import type { Notification } from "./notification.ts";

const TRY_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const UNKNOWN_NAMES_MAX = 1_000;

/** What happens in the notifier: each event is logged and counted here, and nowhere else. */
export class NotifierEvents {
  readonly #logger: Logger;
  readonly #metrics: ReturnType<typeof registerMetrics>;
  /** The last error of each target that fails now. */
  readonly #failing = new Map<string, string>();
  readonly #unknownNames = new Set<string>();

  constructor(logger: Logger, metrics: Metrics) {
    this.#logger = logger;
    this.#metrics = registerMetrics(metrics);
  }

  started(receivers: readonly string[]): void {
    this.#logger.info({ receivers }, "notifier started");
  }

  superseded(error: Error): void {
    const advice = "this one sends nothing more. Stop it; or stop the other one and restart this one";
    this.#logger.error(`${error.message}; ${advice}`);
  }

  changeDecided(receiver: string, outcome: DeliveryOutcome, { incident, state }: AlertChange): void {
    this.#metrics.changes.inc({ receiver, outcome });
    this.#logger.debug({ receiver, incident, state }, `change ${outcome}`);
  }

  tried(receiver: string, result: string, tookSeconds: number): void {
    this.#metrics.tries.inc({ receiver, result });
    this.#metrics.seconds.observe(tookSeconds);
  }

  notificationDelivered(receiver: string, { id, repeat }: Notification, note: string | undefined): void {
    this.#metrics.notifications.inc({ receiver, outcome: "delivered" });
    if (repeat > 0) this.#metrics.repeats.inc({ receiver });
    if (this.#failing.delete(receiver)) this.#logger.info({ receiver }, "the receiver accepts notifications again");
    if (note !== undefined) this.#logger.warn({ receiver, notification: id }, `delivered, but ${note}`);
  }

  /** Logs the first failure, and then only new reasons: not every try. */
  tryFailed(receiver: string, error: string): void {
    if (this.#failing.get(receiver) === error) return;
    this.#failing.set(receiver, error);
    this.#logger.warn({ receiver }, `a notification was not accepted: ${error}; retrying`);
  }

  notificationGivenUp(
    receiver: string,
    { id, changes }: Notification,
    { attempts, error }: { readonly attempts: number; readonly error: string },
  ): void {
    this.#metrics.notifications.inc({ receiver, outcome: "failed" });
    const incidents = changes.map(({ change }) => change.incident);
    const details = { receiver, notification: id, attempts, incidents };
    this.#logger.error(details, `gave up on a notification and stored it as a dead letter: ${error}`);
  }

  deadLetterLost(receiver: string, error: unknown): void {
    this.#metrics.notifications.inc({ receiver, outcome: "no-dead-letter" });
    this.#logger.error(
      { err: error, receiver },
      "a notification was given up, and its dead letter could not be stored",
    );
  }

  notificationLost(receiver: string, notification: string): void {
    this.#metrics.notifications.inc({ receiver, outcome: "lost" });
    const what = "the log no longer holds the alerts of a notification that was in flight";
    this.#logger.error({ receiver, notification }, what);
  }

  keepAliveFailed(receiver: string, error: string): void {
    this.#logger.warn({ receiver }, `the firing alerts could not be sent again: ${error}; retrying`);
  }

  queueMeasured(receiver: string, waiting: number, oldestSeconds: number): void {
    this.#metrics.waiting.set({ receiver }, waiting);
    this.#metrics.oldest.set({ receiver }, oldestSeconds);
  }

  queueFilled(receiver: string): void {
    this.#metrics.full.inc({ receiver });
    this.#logger.warn({ receiver }, "the receiver's queue is full; further alerts wait in the log");
  }

  senderFailed(receiver: string, error: unknown): void {
    const what = "the state of a receiver could not be read or stored; restarting it from the log";
    this.#logger.error({ err: error, receiver }, what);
  }

  messageUnreadable(stream: string, sequence: number, error: unknown): void {
    this.#metrics.unreadable.inc();
    this.#logger.error({ err: error, stream, sequence }, "a message of the log cannot be read; skipped");
  }

  readFailed(stream: string, error: unknown): void {
    this.#logger.error({ err: error, stream }, "reading the log failed; retrying");
  }

  receiverUnknown(receiver: string, rule: string): void {
    this.#metrics.unknown.inc();
    if (this.#unknownNames.has(receiver) || this.#unknownNames.size >= UNKNOWN_NAMES_MAX) return;
    this.#unknownNames.add(receiver);
    const what = `a rule notifies "${receiver}", which is not in notifier.receivers; it is ignored`;
    this.#logger.warn({ rule }, what);
  }

  silencesCounted(count: number): void {
    this.#metrics.silences.set(count);
  }

  silenceAdded(id: string, by: string): void {
    this.#metrics.orders.inc({ kind: "silence" });
    this.#logger.info({ silence: id, by }, "silence added");
  }

  silenceRemoved(id: string, by: string): void {
    this.#metrics.orders.inc({ kind: "silence-removal" });
    this.#logger.info({ silence: id, by }, "silence removed");
  }

  incidentAcknowledged(incident: string, by: string): void {
    this.#metrics.orders.inc({ kind: "acknowledgement" });
    this.#logger.info({ incident, by }, "incident acknowledged");
  }

  requestRefused(subject: string, error: unknown): void {
    this.#logger.warn({ subject }, `a request was refused: ${reasonOf(error)}`);
  }
}

function registerMetrics(metrics: Metrics) {
  const receiver = ["receiver"] as const;
  const outcome = ["receiver", "outcome"] as const;
  return {
    changes: metrics.counter("weir_notifier_changes_total", "Alert changes decided.", outcome),
    notifications: metrics.counter("weir_notifier_messages_total", "Notifications delivered or given up.", outcome),
    tries: metrics.counter("weir_notifier_tries_total", "Tries to deliver a notification.", ["receiver", "result"]),
    repeats: metrics.counter("weir_notifier_repeats_total", "Notifications of alerts that still fire.", receiver),
    seconds: metrics.histogram("weir_notifier_try_seconds", "Duration of a try.", TRY_SECONDS),
    waiting: metrics.gauge("weir_notifier_waiting_changes", "Alert changes not decided yet.", receiver),
    oldest: metrics.gauge("weir_notifier_oldest_waiting_seconds", "Age of the oldest undecided change.", receiver),
    full: metrics.counter("weir_notifier_full_total", "Times that a target's queue was full.", receiver),
    silences: metrics.gauge("weir_notifier_silences", "Silences that are active or begin later."),
    unreadable: metrics.counter("weir_notifier_unreadable_total", "Messages of the log that could not be read."),
    unknown: metrics.counter("weir_notifier_unknown_receivers_total", "Changes that name an unknown receiver."),
    orders: metrics.counter("weir_notifier_orders_total", "Silences and acknowledgements.", ["kind"]),
  };
}

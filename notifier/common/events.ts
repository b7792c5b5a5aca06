import type { Logger } from "pino";
import type { DeliveryOutcome } from "../../contracts/notifications.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { reasonOf } from "../../domain/reason.ts";
import { counter, createFigures, type Figures, gauge, histogram } from "../../platform/figures.ts";
import type { Metrics } from "../../platform/metrics.ts";
import type { Notification } from "./notification.ts";

const TRY_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const UNKNOWN_NAMES_MAX = 1_000;

export const FIGURES = {
  changes: counter("weir_notifier_changes_total", "Alert changes decided.", ["receiver", "outcome"]),
  notifications: counter("weir_notifier_messages_total", "Notifications delivered or given up.", [
    "receiver",
    "outcome",
  ]),
  tries: counter("weir_notifier_tries_total", "Attempts to deliver a notification.", ["receiver", "result"]),
  repeats: counter("weir_notifier_repeats_total", "Notifications of alerts that still fire.", ["receiver"]),
  seconds: histogram("weir_notifier_try_seconds", "Duration of an attempt.", TRY_SECONDS),
  waiting: gauge("weir_notifier_waiting_changes", "Alert changes not decided yet.", ["receiver"]),
  oldest: gauge("weir_notifier_oldest_waiting_seconds", "Age of the oldest undecided change.", ["receiver"]),
  full: counter("weir_notifier_full_total", "Times that a target's queue was full.", ["receiver"]),
  silences: gauge("weir_notifier_silences", "Silences that are active or scheduled."),
  unreadable: counter("weir_notifier_unreadable_total", "Messages of the log that could not be read."),
  unknown: counter("weir_notifier_unknown_receivers_total", "Changes that name an unknown receiver."),
  orders: counter("weir_notifier_orders_total", "Silences and acknowledgements.", ["kind"]),
};

type NotifierFigures = Figures<typeof FIGURES>;

export type NotifierEvents = ReturnType<typeof createNotifierEvents>;

/** Logs and counts notifier events in one place. */
export function createNotifierEvents(logger: Logger, metrics: Metrics) {
  const figures = createFigures(metrics, FIGURES);
  return {
    ...serviceEvents(logger),
    ...deliveryEvents(logger, figures),
    ...queueEvents(logger, figures),
    ...logEvents(logger, figures),
    ...requestEvents(logger, figures),
  };
}

function serviceEvents(logger: Logger) {
  return {
    started: (receivers: readonly string[]) => logger.info({ receivers }, "notifier started"),
    superseded(error: Error) {
      const advice = "this one sends nothing more. Stop it; or stop the other one and restart this one";
      logger.error(`${error.message}; ${advice}`);
    },
    senderFailed: (receiver: string, error: unknown) =>
      logger.error(
        { err: error, receiver },
        "the state of a receiver could not be read or stored; restarting it from the log",
      ),
  };
}

/** Attempts and their outcomes. */
function deliveryEvents(logger: Logger, figures: NotifierFigures) {
  /** The last error of each target that currently fails. */
  const failing = new Map<string, string>();
  return {
    tried(receiver: string, result: string, tookSeconds: number) {
      figures.tries.inc({ receiver, result });
      figures.seconds.observe(tookSeconds);
    },
    notificationDelivered(receiver: string, { id, repeat }: Notification, note: string | undefined) {
      figures.notifications.inc({ receiver, outcome: "delivered" });
      if (repeat > 0) figures.repeats.inc({ receiver });
      if (failing.delete(receiver)) logger.info({ receiver }, "the receiver accepts notifications again");
      if (note !== undefined) logger.warn({ receiver, notification: id }, `delivered, but ${note}`);
    },
    /** Logs the first failure, then only new reasons; not every attempt. */
    tryFailed(receiver: string, error: string) {
      if (failing.get(receiver) === error) return;
      failing.set(receiver, error);
      logger.warn({ receiver }, `a notification was not accepted: ${error}; retrying`);
    },
    notificationGivenUp(
      receiver: string,
      { id, changes }: Notification,
      { attempts, error }: { readonly attempts: number; readonly error: string },
    ) {
      figures.notifications.inc({ receiver, outcome: "failed" });
      const incidents = changes.map(({ change }) => change.incident);
      const about = { receiver, notification: id, attempts, incidents };
      logger.error(about, `gave up on a notification and stored it as a dead letter: ${error}`);
    },
    deadLetterLost(receiver: string, error: unknown) {
      figures.notifications.inc({ receiver, outcome: "no-dead-letter" });
      logger.error({ err: error, receiver }, "a notification was given up, and its dead letter could not be stored");
    },
    notificationLost(receiver: string, notification: string) {
      figures.notifications.inc({ receiver, outcome: "lost" });
      const text = "the log no longer holds the alerts of a notification that was in flight";
      logger.error({ receiver, notification }, text);
    },
    keepAliveFailed: (receiver: string, error: string) =>
      logger.warn({ receiver }, `the firing alerts could not be sent again: ${error}; retrying`),
  };
}

function queueEvents(logger: Logger, figures: NotifierFigures) {
  return {
    changeDecided(receiver: string, outcome: DeliveryOutcome, { incident, state }: AlertChange) {
      figures.changes.inc({ receiver, outcome });
      logger.debug({ receiver, incident, state }, `change ${outcome}`);
    },
    queueMeasured(receiver: string, waiting: number, oldestSeconds: number) {
      figures.waiting.set({ receiver }, waiting);
      figures.oldest.set({ receiver }, oldestSeconds);
    },
    queueFilled(receiver: string) {
      figures.full.inc({ receiver });
      logger.warn({ receiver }, "the receiver's queue is full; further alerts wait in the log");
    },
  };
}

/** What the notifier reads from the log. */
function logEvents(logger: Logger, figures: NotifierFigures) {
  const unknownNames = new Set<string>();
  return {
    messageUnreadable(stream: string, sequence: number, error: unknown) {
      figures.unreadable.inc();
      logger.error({ err: error, stream, sequence }, "a message of the log cannot be read; it is skipped");
    },
    readFailed: (stream: string, error: unknown) =>
      logger.error({ err: error, stream }, "reading the log failed; retrying"),
    receiverUnknown(receiver: string, rule: string) {
      figures.unknown.inc();
      if (unknownNames.has(receiver) || unknownNames.size >= UNKNOWN_NAMES_MAX) return;
      unknownNames.add(receiver);
      logger.warn({ rule }, `a rule notifies "${receiver}", which is not in notifier.receivers; it is ignored`);
    },
  };
}

/** Silences, acknowledgements and other requests on the bus. */
function requestEvents(logger: Logger, figures: NotifierFigures) {
  return {
    silencesCounted: (count: number) => figures.silences.set(count),
    silenceAdded(id: string, by: string) {
      figures.orders.inc({ kind: "silence" });
      logger.info({ silence: id, by }, "silence added");
    },
    silenceRemoved(id: string, by: string) {
      figures.orders.inc({ kind: "silence-removal" });
      logger.info({ silence: id, by }, "silence removed");
    },
    incidentAcknowledged(incident: string, by: string) {
      figures.orders.inc({ kind: "acknowledgement" });
      logger.info({ incident, by }, "incident acknowledged");
    },
    requestRefused: (subject: string, error: unknown) =>
      logger.warn({ subject }, `a request was refused: ${reasonOf(error)}`),
  };
}

import type { Logger } from "pino";
import type { DeliveryOutcome } from "../../contracts/notifications.ts";
import { reasonOf } from "../../domain/reason.ts";
import type { Metrics } from "../../platform/metrics.ts";
import type { ChangeEntry } from "./change-entry.ts";
import type { Flight } from "./lane-types.ts";

const TRY_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const UNKNOWN_NAMES_MAX = 1_000;

/** What happens in the notifier, logged and counted in one place. */
export function createNotifierEvents(logger: Logger, metrics: Metrics) {
  const changes = metrics.counter("weir_notifier_changes_total", "Alert changes decided.", ["receiver", "outcome"]);
  const messages = metrics.counter("weir_notifier_messages_total", "Messages settled.", ["receiver", "outcome"]);
  const tries = metrics.counter("weir_notifier_tries_total", "Tries to deliver a message.", ["receiver", "result"]);
  const repeats = metrics.counter("weir_notifier_repeats_total", "Messages about what still fires.", ["receiver"]);
  const seconds = metrics.histogram("weir_notifier_try_seconds", "Time that a try took.", TRY_SECONDS);
  const waiting = metrics.gauge("weir_notifier_waiting_changes", "Alert changes not decided yet.", ["receiver"]);
  const oldest = metrics.gauge("weir_notifier_oldest_waiting_seconds", "Age of the oldest of them.", ["receiver"]);
  const full = metrics.counter("weir_notifier_full_total", "Times that a target's queue was full.", ["receiver"]);
  const silences = metrics.gauge("weir_notifier_silences", "Silences that last or are to begin.");
  const unreadable = metrics.counter("weir_notifier_unreadable_total", "Messages of the log that were none of ours.");
  const unknown = metrics.counter("weir_notifier_unknown_receivers_total", "Changes naming a receiver there is not.");
  const orders = metrics.counter("weir_notifier_orders_total", "Silences and acknowledgements.", ["kind"]);
  const failing = new Map<string, string>();
  const unknownNames = new Set<string>();

  return {
    started: (receivers: readonly string[]) => logger.info({ receivers }, "notifier started"),
    changeSettled(receiver: string, outcome: DeliveryOutcome, { change }: ChangeEntry) {
      changes.inc({ receiver, outcome });
      const { incident, state } = change;
      logger.debug({ receiver, incident, state }, `change ${outcome}`);
    },
    tried(receiver: string, result: string, tookSeconds: number) {
      tries.inc({ receiver, result });
      seconds.observe(tookSeconds);
    },
    messageDelivered(receiver: string, flight: Flight, note: string | undefined) {
      messages.inc({ receiver, outcome: "delivered" });
      if (flight.repeat > 0) repeats.inc({ receiver });
      if (failing.delete(receiver)) logger.info({ receiver }, "the receiver takes messages again");
      if (note !== undefined) logger.warn({ receiver, message: flight.id }, `delivered, but ${note}`);
    },
    /** One line when a receiver begins to fail, and one for each new reason; not one a try. */
    tryFailed(receiver: string, error: string) {
      if (failing.get(receiver) === error) return;
      failing.set(receiver, error);
      logger.warn({ receiver }, `a message was not taken: ${error}; trying again`);
    },
    messageGivenUp(receiver: string, flight: Flight, error: string) {
      messages.inc({ receiver, outcome: "failed" });
      const incidents = flight.entries.map(({ change }) => change.incident);
      const { id: message, attempts } = flight;
      logger.error(
        { receiver, message, attempts, incidents },
        `a message was given up, it became a dead letter: ${error}`,
      );
    },
    deadLetterLost(receiver: string, error: unknown) {
      messages.inc({ receiver, outcome: "no-dead-letter" });
      logger.error({ err: error, receiver }, "a dead letter could not be kept");
    },
    flightLost(receiver: string, message: string) {
      messages.inc({ receiver, outcome: "lost" });
      logger.error({ receiver, message }, "the log has deleted the alerts of a message that was on its way");
    },
    keepAliveFailed: (receiver: string, error: string) =>
      logger.warn({ receiver }, `what fires could not be told once more: ${error}; trying again`),
    queueMeasured(receiver: string, count: number, oldestSeconds: number) {
      waiting.set({ receiver }, count);
      oldest.set({ receiver }, oldestSeconds);
    },
    queueFilled(receiver: string) {
      full.inc({ receiver });
      logger.warn({ receiver }, "the receiver's queue is full; its alerts wait in the log");
    },
    laneFailed: (receiver: string, error: unknown) =>
      logger.error({ err: error, receiver }, "a receiver's state could not be kept or read; beginning it anew"),
    superseded: (error: Error) =>
      logger.error(
        `${error.message}; this one tells nobody any more. Stop it, or the other one and start this one again`,
      ),
    messageUnreadable(stream: string, sequence: number, error: unknown) {
      unreadable.inc();
      logger.error({ err: error, stream, sequence }, "a message of the log could not be read; left out");
    },
    receiverUnknown(receiver: string, rule: string) {
      unknown.inc();
      if (unknownNames.has(receiver) || unknownNames.size >= UNKNOWN_NAMES_MAX) return;
      unknownNames.add(receiver);
      logger.warn(
        { rule },
        `a rule notifies "${receiver}", which notifier.receivers does not have; nobody is told there`,
      );
    },
    readFailed: (stream: string, error: unknown) =>
      logger.error({ err: error, stream }, "reading the log failed; trying again"),
    silencesCounted: (count: number) => silences.set(count),
    silenceAdded(id: string, by: string) {
      orders.inc({ kind: "silence" });
      logger.info({ silence: id, by }, "silence added");
    },
    silenceRemoved(id: string, by: string) {
      orders.inc({ kind: "silence-removal" });
      logger.info({ silence: id, by }, "silence removed");
    },
    incidentAcknowledged(incident: string, by: string) {
      orders.inc({ kind: "acknowledgement" });
      logger.info({ incident, by }, "incident acknowledged");
    },
    orderRefused: (subject: string, error: unknown) =>
      logger.warn({ subject }, `an order or question was refused: ${reasonOf(error)}`),
  };
}

export type NotifierEvents = ReturnType<typeof createNotifierEvents>;

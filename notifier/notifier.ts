import { hostname } from "node:os";
import { type Delivery, OWN_BROKER } from "../contracts/notifications.ts";
import { alertName, parseIncidentId } from "../domain/alert-ids.ts";
import { type Follower, follow } from "../platform/log/follow.ts";
import type { LogMessage } from "../platform/log/port.ts";
import { readNewest } from "../platform/log/read-range.ts";
import type { Deps, Health, Service } from "../platform/service.ts";
import { createNotifierEvents, type NotifierEvents } from "./common/events.ts";
import type { NotifierConfig } from "./config.ts";
import { deliveriesInLog } from "./delivery/delivery-history.ts";
import { Sender } from "./delivery/sender.ts";
import { SupervisedSender } from "./delivery/supervised-sender.ts";
import { seenFrom } from "./own-broker.ts";
import { checkSecrets, type ReceiverTarget, receiverTargets } from "./receivers.ts";
import { answerRequests } from "./requests.ts";
import { routeOf } from "./routes/route.ts";
import { NotifierState } from "./state/notifier-state.ts";
import type { TargetContext } from "./targets/target-kind.ts";

const COUNT_MS = 1_000;

export type NotifierDeps = Deps & {
  /** Where to look up secrets; by default the environment of the process. */
  readonly environment?: TargetContext["environment"];
  /** Randomizes the pauses between attempts: 0 to 1. */
  readonly random?: () => number;
};

/**
 * Notifies people and systems of alert changes, each change at least once, and answers requests on the bus
 * (`contracts/notifications.ts`). Rejects with NotifierSecretsError if secrets are missing. Retries a receiver that
 * is down.
 */
export async function startNotifier(config: NotifierConfig, deps: NotifierDeps): Promise<Service> {
  const notifier = new Notifier(config, deps);
  await notifier.start();
  return notifier;
}

/**
 * A `Sender` for each target of each receiver, and one `NotifierState` that all of them read. Every target has its
 * own queue, position in the log and retries, so that no receiver delays another. Of two notifiers on one log the
 * newer one sends; the older one stops and is not ready. `queue/notification-queue.ts` decides what is sent and when.
 */
class Notifier implements Service {
  readonly name = "notifier";
  readonly #config: NotifierConfig;
  readonly #deps: NotifierDeps;
  readonly #events: NotifierEvents;
  readonly #state: NotifierState;
  readonly #targets: readonly ReceiverTarget[];
  readonly #senders: readonly SupervisedSender[];
  readonly #followers: Follower[] = [];
  #counting: NodeJS.Timeout | undefined;
  #stopAnswering = (): void => {};
  #superseded: string | undefined;
  #stopped: Promise<void> | undefined;

  constructor(config: NotifierConfig, deps: NotifierDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#events = createNotifierEvents(deps.logger, deps.metrics);
    const { inhibit_wait: waitUs, inhibit_after: afterUs, max_age: maxAgeUs } = config;
    this.#state = new NotifierState({
      inhibitionTimes: { waitUs, afterUs, maxAgeUs },
      hasReceiver: (name) => Object.hasOwn(config.receivers, name),
      events: this.#events,
    });
    this.#targets = receiverTargets(config);
    this.#senders = this.#targets.map((target) => this.#supervise(target));
  }

  async start(): Promise<void> {
    checkSecrets(this.#targets, this.#context());
    try {
      await this.#followLogs();
      await Promise.all(this.#senders.map((sender) => sender.start()));
    } catch (error) {
      await this.#stopAll();
      throw error;
    }
    const { log, clock } = this.#deps;
    this.#stopAnswering = answerRequests({
      ...{ log, clock, state: this.#state, events: this.#events },
      deliveries: (incident) => this.#deliveriesOf(incident),
      onChanged: () => {
        for (const { sender } of this.#senders) sender?.reevaluate();
        this.#countSilences();
      },
    });
    this.#counting = setInterval(() => this.#countSilences(), COUNT_MS);
    this.#counting.unref();
    this.#events.started(this.#targets.map(({ name }) => name));
  }

  health(): Health {
    if (this.#superseded !== undefined) return { ready: false, detail: this.#superseded };
    return this.#deps.log.healthy() ? { ready: true, detail: "" } : { ready: false, detail: "the log does not answer" };
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    clearInterval(this.#counting);
    this.#stopAnswering();
    await Promise.all(this.#senders.map((sender) => sender.stop()));
    await Promise.all(this.#followers.map((follower) => follower.stop()));
  }

  #supervise(target: ReceiverTarget): SupervisedSender {
    const { receiver, targetName, name, configured } = target;
    const { log, clock, random = Math.random } = this.#deps;
    return new SupervisedSender({
      ...{ name, events: this.#events, onSuperseded: (error) => this.#retire(error) },
      create: (onFailed) =>
        new Sender({
          ...{ receiver, targetName, settings: configured.settings, maxAgeUs: this.#config.max_age },
          target: configured.create({ ...this.#context(), name }),
          route: routeOf(receiver, this.#config),
          ...{ log, clock, random, state: this.#state, events: this.#events, onFailed },
        }),
    });
  }

  #context(): Omit<TargetContext, "name"> {
    const { environment = process.env, clock, log } = this.#deps;
    return {
      environment,
      externalUrl: this.#config.external_url,
      nowMs: () => clock.nowUs() / 1_000,
      findOwnBroker: async () => seenFrom(hostname(), await log.bus.request(OWN_BROKER, {})),
    };
  }

  /** Reads the newest state of each alert, silence and acknowledgement, and then follows the logs. */
  async #followLogs(): Promise<void> {
    const { log, clock } = this.#deps;
    const state = this.#state;
    const applyAlert = (message: LogMessage): void => state.applyAlert(message, clock.nowUs());
    const applyOrder = (message: LogMessage): void => state.applyOrder(message, clock.nowUs());
    const alertsFrom = await readNewest(log, { stream: "ALERTS" }, applyAlert);
    const ordersFrom = await readNewest(log, { stream: "NOTIFICATIONS" }, applyOrder);
    const failed = (stream: string) => (error: unknown) => this.#events.readFailed(stream, error);
    this.#followers.push(
      follow({ log, stream: "ALERTS", from: alertsFrom, apply: applyAlert, onFailed: failed("ALERTS") }),
      follow({
        ...{ log, stream: "NOTIFICATIONS", from: ordersFrom, apply: applyOrder, onFailed: failed("NOTIFICATIONS") },
        subjects: ["notifications.silences.>", "notifications.acknowledgements.>"],
      }),
    );
  }

  /** Another notifier has taken over: stops sending, and reports it in the health. */
  #retire(error: Error): void {
    if (this.#superseded !== undefined || this.#stopped !== undefined) return;
    this.#superseded = error.message;
    this.#events.superseded(error);
    void this.#stopAll();
  }

  /** Drops silences that have expired, and inhibitions whose incidents have ended. */
  #countSilences(): void {
    const nowUs = this.#deps.clock.nowUs();
    this.#state.inhibitions.prune(nowUs);
    this.#events.silencesCounted(this.#state.silences.list(nowUs).length);
  }

  async #deliveriesOf(incident: string): Promise<Delivery[]> {
    const alert = this.#state.openAlerts.incident(incident)?.alert ?? alertOf(incident);
    if (alert === undefined) return [];
    const found: Delivery[] = [];
    for (const { sender } of this.#senders) {
      if (sender === undefined) continue;
      const now = sender.deliveriesOf(alert).filter((delivery) => delivery.incident === incident);
      const subject = sender.deliverySubject(alert);
      found.push(...(now.length > 0 ? now : await deliveriesInLog(this.#deps.log, subject, incident)));
    }
    return found.sort((a, b) => a.atUs - b.atUs);
  }
}

/** The alert of an incident that has ended. */
function alertOf(incident: string): string | undefined {
  const parts = parseIncidentId(incident);
  return parts && alertName(parts.rule, parts.keyHash);
}

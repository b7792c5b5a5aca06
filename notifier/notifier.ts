import { type Delivery, OWN_BROKER } from "../contracts/notifications.ts";
import { alertName, parseIncidentId } from "../domain/alert-ids.ts";
import { UserError } from "../domain/user-error.ts";
import { type Environment, SecretError } from "../platform/files/secret-values.ts";
import { type Follower, follow } from "../platform/log/follow.ts";
import type { LogMessage } from "../platform/log/port.ts";
import { readNewest } from "../platform/log/read-range.ts";
import type { Deps, Service } from "../platform/service.ts";
import { answerOrders } from "./answers.ts";
import { isEnd, readEntry } from "./common/change-entry.ts";
import { type NotifierConfig, type TargetConfig, targetNames } from "./common/config.ts";
import { createNotifierEvents, type NotifierEvents } from "./common/events.ts";
import { deliveriesInLog } from "./delivery/delivery-history.ts";
import { SupersededError } from "./delivery/journal.ts";
import { Sender } from "./delivery/sender.ts";
import { Inhibitions } from "./inhibition/inhibition.ts";
import { Board } from "./routing/board.ts";
import { Orders } from "./routing/orders.ts";
import { routeOf } from "./routing/router.ts";
import { createTarget } from "./targets/create.ts";

const RESTART_MS = 1_000;
const COUNT_MS = 1_000;

/** Secrets that are missing or wrong, all of them at once. */
export class NotifierSecretsError extends UserError {
  override readonly name = "NotifierSecretsError";
}

export type NotifierDeps = Deps & {
  /** Where secrets are looked up; the process' own when left out. */
  readonly environment?: Environment;
  /** For pauses between tries: 0 to 1. */
  readonly random?: () => number;
};

/**
 * Tells people and systems of alert changes, each at least once, and answers on the bus (`contracts/notifications.ts`).
 * Rejects with NotifierSecretsError when secrets are missing; a receiver that is away is tried again and again.
 */
export async function startNotifier(config: NotifierConfig, deps: NotifierDeps): Promise<Service> {
  const { log, clock, logger, metrics } = deps;
  const events = createNotifierEvents(logger, metrics);
  const plans = plansOf(config);
  checkSecrets(plans, config, deps);
  const orders = new Orders();
  const board = new Board();
  const { inhibit_wait: waitUs, inhibit_after: afterUs, max_age: maxAgeUs } = config;
  const inhibitions = new Inhibitions({ waitUs, afterUs, maxAgeUs });
  const followers: Follower[] = [];
  const known = { orders, board, inhibitions };
  const seats = plans.map((plan) => new Seat(plan, { config, deps, events, ...known, onSuperseded: retire }));
  let superseded: string | undefined;
  let stopAnswering = (): void => {};
  let stopped: Promise<void> | undefined;

  /** Of two notifiers the older one falls silent, but for its health. */
  function retire(error: Error): void {
    if (superseded !== undefined || stopped !== undefined) return;
    superseded = error.message;
    events.superseded(error);
    void stopAll();
  }

  /** Silences end by themselves, and so does what an incident that is over inhibits. */
  function countSilences(): void {
    inhibitions.prune(clock.nowUs());
    events.silencesCounted(orders.silences(clock.nowUs()).length);
  }
  const counting = setInterval(countSilences, COUNT_MS);
  counting.unref();

  async function stopAll(): Promise<void> {
    clearInterval(counting);
    stopAnswering();
    await Promise.all(seats.map((seat) => seat.stop()));
    await Promise.all(followers.map((follower) => follower.stop()));
  }

  const applyAlert = (message: LogMessage): void =>
    applyToBoard(message, { ...known, events, config, nowUs: clock.nowUs() });
  const applyOrder = (message: LogMessage): void => applyToOrders(message, orders, events, clock.nowUs());
  const alertsFrom = await readNewest(log, { stream: "ALERTS" }, applyAlert);
  const ordersFrom = await readNewest(log, { stream: "NOTIFICATIONS" }, applyOrder);
  followers.push(
    follow({
      log,
      stream: "ALERTS",
      from: alertsFrom,
      apply: applyAlert,
      onFailed: (e) => events.readFailed("ALERTS", e),
    }),
    follow({
      ...{ log, stream: "NOTIFICATIONS", from: ordersFrom },
      subjects: ["notifications.silences.>", "notifications.acknowledgements.>"],
      apply: applyOrder,
      onFailed: (error) => events.readFailed("NOTIFICATIONS", error),
    }),
  );
  try {
    await Promise.all(seats.map((seat) => seat.start()));
  } catch (error) {
    await stopAll();
    throw error;
  }
  stopAnswering = answerOrders({
    ...{ log, clock, ...known, events },
    deliveries: (incident) => deliveriesOf(incident, seats, board, deps),
    onOrder: () => {
      for (const seat of seats) seat.look();
      countSilences();
    },
  });
  events.started(plans.map(({ receiver, targetName }) => `${receiver}.${targetName}`));

  return {
    name: "notifier",
    health() {
      if (superseded !== undefined) return { ready: false, detail: superseded };
      return log.healthy() ? { ready: true, detail: "" } : { ready: false, detail: "the log does not answer" };
    },
    stop() {
      stopped ??= stopAll();
      return stopped;
    },
  };
}

interface TargetPlan {
  readonly receiver: string;
  readonly targetName: string;
  readonly target: TargetConfig;
}

function plansOf({ receivers }: NotifierConfig): TargetPlan[] {
  return Object.entries(receivers).flatMap(([receiver, targets]) => {
    const names = targetNames(targets);
    return targets.map((target, i) => ({ receiver, targetName: names[i] ?? "", target }));
  });
}

function checkSecrets(plans: readonly TargetPlan[], config: NotifierConfig, deps: NotifierDeps): void {
  const problems = plans.flatMap((plan) => {
    try {
      openTarget(plan, config, deps);
      return [];
    } catch (error) {
      if (error instanceof SecretError) return [error.message];
      throw error;
    }
  });
  if (problems.length > 0) throw new NotifierSecretsError(problems.join("\n"));
}

function openTarget({ receiver, targetName, target }: TargetPlan, config: NotifierConfig, deps: NotifierDeps) {
  return createTarget(target, {
    name: `${receiver}.${targetName}`,
    environment: deps.environment ?? process.env,
    externalUrl: config.external_url,
    nowMs: () => deps.clock.nowUs() / 1_000,
    findOwnBroker: async () => await deps.log.bus.request(OWN_BROKER, {}),
  });
}

interface SeatOptions {
  readonly config: NotifierConfig;
  readonly deps: NotifierDeps;
  readonly events: NotifierEvents;
  readonly orders: Orders;
  readonly board: Board;
  readonly inhibitions: Inhibitions;
  readonly onSuperseded: (error: Error) => void;
}

/** Keeps a sender for one target: one whose state could not be kept is followed by a new one. */
class Seat {
  readonly #plan: TargetPlan;
  readonly #options: SeatOptions;
  #sender: Sender | undefined;
  #restart: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(plan: TargetPlan, options: SeatOptions) {
    this.#plan = plan;
    this.#options = options;
  }

  get sender(): Sender | undefined {
    return this.#sender;
  }

  async start(): Promise<void> {
    const { receiver, targetName } = this.#plan;
    const { config, deps, events, orders, board, inhibitions } = this.#options;
    const { target, common } = openTarget(this.#plan, config, deps);
    const sender = new Sender({
      ...{ receiver, targetName, target, config: common, maxAgeUs: config.max_age, route: routeOf(receiver, config) },
      ...{ log: deps.log, clock: deps.clock, orders, board, inhibitions, events, random: deps.random ?? Math.random },
      onFailed: (error) => this.#failed(sender, error),
    });
    this.#sender = sender;
    await sender.start();
  }

  look(): void {
    this.#sender?.look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#restart);
    await this.#sender?.stop();
  }

  #failed(sender: Sender, error: unknown): void {
    if (this.#stopped || this.#sender !== sender) return;
    if (error instanceof SupersededError) {
      this.#options.onSuperseded(error);
      return;
    }
    this.#options.events.laneFailed(sender.name, error);
    this.#sender = undefined;
    void sender.stop();
    this.#again();
  }

  #again(): void {
    this.#restart = setTimeout(() => {
      this.start().catch((error: unknown) => {
        this.#options.events.laneFailed(`${this.#plan.receiver}.${this.#plan.targetName}`, error);
        if (!this.#stopped) this.#again();
      });
    }, RESTART_MS);
  }
}

function applyToBoard(
  message: LogMessage,
  given: {
    readonly board: Board;
    readonly inhibitions: Inhibitions;
    readonly orders: Orders;
    readonly events: NotifierEvents;
    readonly config: NotifierConfig;
    readonly nowUs: number;
  },
): void {
  const { board, inhibitions, orders, events, config } = given;
  try {
    const entry = readEntry(message);
    board.apply(entry);
    inhibitions.apply(entry, given.nowUs);
    const { notify, rule } = entry.change;
    if (isEnd(entry.change)) orders.forgetAcknowledgement(entry.alert);
    else {
      for (const name of notify) if (!Object.hasOwn(config.receivers, name)) events.receiverUnknown(name, rule);
    }
  } catch (error) {
    events.messageUnreadable("ALERTS", message.sequence, error);
  } finally {
    inhibitions.seen(message.sequence);
  }
}

function applyToOrders(message: LogMessage, orders: Orders, events: NotifierEvents, nowUs: number): void {
  const [, kind] = message.subject.split(".", 2);
  if (kind !== "silences" && kind !== "acknowledgements") return;
  try {
    const value = JSON.parse(new TextDecoder().decode(message.payload));
    if (kind === "silences") orders.applySilence(value, nowUs);
    else orders.applyAcknowledgement(value);
  } catch (error) {
    events.messageUnreadable("NOTIFICATIONS", message.sequence, error);
  }
}

async function deliveriesOf(
  incident: string,
  seats: readonly Seat[],
  board: Board,
  { log }: NotifierDeps,
): Promise<Delivery[]> {
  const alert = board.incident(incident)?.alert ?? alertOf(incident);
  if (alert === undefined) return [];
  const found: Delivery[] = [];
  for (const { sender } of seats) {
    if (sender === undefined) continue;
    const now = sender.deliveriesOf(alert).filter((delivery) => delivery.incident === incident);
    found.push(...(now.length > 0 ? now : await deliveriesInLog(log, sender.deliverySubject(alert), incident)));
  }
  return found.sort((a, b) => a.atUs - b.atUs);
}

/** The alert of an incident that is over. */
function alertOf(incident: string): string | undefined {
  const parts = parseIncidentId(incident);
  return parts && alertName(parts.rule, parts.keyHash);
}

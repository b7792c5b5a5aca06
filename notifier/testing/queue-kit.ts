import type { DeliveryOutcome } from "../../contracts/notifications.ts";
import type { LoggedChange } from "../common/logged-change.ts";
import { Inhibitions } from "../inhibition/inhibitions.ts";
import { NotificationQueue } from "../queue/notification-queue.ts";
import type { AlertRecord, InFlight } from "../queue/queue-types.ts";
import { routeOf } from "../routes/route.ts";
import { type ChangeOptions, changeOf, configOf, hashOf, T0 } from "./test-kit.ts";

/** The queue of one target, with a log in memory and a clock that only the test moves. */
export class QueueWorld {
  nowUs = T0;
  sequence = 0;
  silenced = false;
  acknowledged = false;
  readonly decided: string[] = [];
  readonly records = new Map<string, AlertRecord>();
  readonly log: LoggedChange[] = [];
  inhibitions: Inhibitions;
  queue: NotificationQueue;
  readonly #config: ReturnType<typeof configOf>;
  readonly #collapse: boolean;

  constructor(others: Readonly<Record<string, unknown>> = {}, collapse = true) {
    this.#config = configOf({ ops: [{ webhook: { url: "http://127.0.0.1:9/" } }] }, others);
    this.#collapse = collapse;
    this.inhibitions = this.#newInhibitions();
    this.queue = this.newQueue(1);
  }

  #newInhibitions(): Inhibitions {
    const { inhibit_wait: waitUs, inhibit_after: afterUs, max_age: maxAgeUs } = this.#config;
    return new Inhibitions({ waitUs, afterUs, maxAgeUs });
  }

  newQueue(cursor: number): NotificationQueue {
    return new NotificationQueue(
      {
        ...{ receiver: "ops.webhook", route: routeOf("ops", this.#config), collapse: this.#collapse, repeats: true },
        ...{ maxAgeUs: this.#config.max_age, waitingMax: 1_000 },
        isSilenced: () => this.silenced,
        inhibition: (logged, nowUs, endedAtUs) => this.inhibitions.evaluate(logged, nowUs, endedAtUs),
        isAcknowledged: () => this.acknowledged,
        onDecided: (outcome: DeliveryOutcome, { change }: LoggedChange) => this.decided.push(`${change.id} ${outcome}`),
      },
      cursor,
    );
  }

  /** Writes a change to the log only, as if the notifier were down. */
  write(options: ChangeOptions = {}): LoggedChange {
    const change = changeOf({ atUs: this.nowUs, ...options });
    const alert = `${change.rule}.${hashOf(change.key.device ?? "")}`;
    const logged = { alert, sequence: ++this.sequence, storedAtUs: this.nowUs, source: "/weir", change };
    this.log.push(logged);
    this.inhibitions.apply(logged, this.nowUs);
    this.inhibitions.seen(logged.sequence);
    return logged;
  }

  /** Writes a change to the log and adds it to the queue. */
  add(options: ChangeOptions = {}): void {
    this.queue.add(this.write(options));
  }

  next(): InFlight | undefined {
    return this.queue.next(this.nowUs);
  }

  /** Sends everything due. Returns the content of each notification. */
  send(outcome: "delivered" | "failed" = "delivered"): string[] {
    const sent: string[] = [];
    for (let inFlight = this.next(); inFlight !== undefined; inFlight = this.next()) {
      inFlight.attempts++;
      const { changes, repeat } = inFlight.notification;
      const states = changes.map(({ change }) => `${change.key.device} ${change.state}`);
      sent.push(`${states.join(" + ")}${repeat > 0 ? ` again ${repeat}` : ""}`);
      this.queue.finish(inFlight, outcome, this.nowUs);
    }
    return sent;
  }

  /** Stores the queue's records. */
  store(): void {
    for (const { alert, record } of this.queue.takeRecords()) this.records.set(alert, structuredClone(record));
  }

  /** Starts a new queue from the stored records, as after a crash. Returns the notifications that it resumes. */
  restart(cursor: number, stored = this.queue.inFlightRecords()): InFlight[] {
    this.queue = this.newQueue(cursor);
    const newest = new Map(this.log.map((logged) => [logged.alert, logged]));
    this.inhibitions = this.#newInhibitions();
    for (const logged of newest.values()) this.inhibitions.apply(logged, this.nowUs);
    this.inhibitions.seen(this.sequence);
    for (const [alert, record] of this.records) {
      const logged = newest.get(alert);
      this.queue.restore(alert, record, logged?.change.state === "firing" ? logged : undefined);
    }
    for (const logged of this.log) if (logged.sequence >= cursor) this.queue.add(logged);
    return stored.flatMap((record) => {
      const resumed = this.queue.resume(record, (sequence) => this.log.find((each) => each.sequence === sequence));
      return resumed.kind === "in-flight" ? [resumed.inFlight] : [];
    });
  }
}

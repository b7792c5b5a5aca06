import type { DeliveryOutcome } from "../../contracts/notifications.ts";
import { isMuted } from "../../domain/alert.ts";
import { isEnd, type LoggedChange } from "../common/logged-change.ts";
import { groupOf } from "../routes/route.ts";
import { deliveryOf, isAwaitedEnd, isOpen, isOver, UNROUTED, withDelivery } from "./alert-facts.ts";
import { AlertGroups } from "./alert-groups.ts";
import type { AlertRecord, Group, InFlight, QueuedAlert, QueueOptions } from "./queue-types.ts";

/** The alerts of one target: their waiting changes, the decisions on them, and their groups. */
export class QueuedAlerts {
  readonly #options: Pick<QueueOptions, "receiver" | "route" | "onDecided">;
  readonly #alerts = new Map<string, QueuedAlert>();
  readonly #groups = new AlertGroups();
  /** Alerts with decisions that are not in the log yet, and how many. */
  readonly #unrecorded = new Map<QueuedAlert, number>();
  #head: number;
  /** When undecided changes were stored, by sequence; oldest first, the order in which they are added. */
  readonly #undecided = new Map<number, number>();
  #waiting = 0;

  constructor(options: Pick<QueueOptions, "receiver" | "route" | "onDecided">, cursor: number) {
    this.#options = options;
    this.#head = cursor - 1;
  }

  /** Number of undecided changes. */
  get waiting(): number {
    return this.#waiting;
  }

  /** When the oldest undecided change was stored; undefined if all are decided. */
  get oldestWaitingUs(): number | undefined {
    return this.#undecided.values().next().value;
  }

  /** All changes before this sequence are decided or in flight. */
  get firstUndecided(): number {
    return this.#undecided.keys().next().value ?? this.#head + 1;
  }

  get(name: string): QueuedAlert | undefined {
    return this.#alerts.get(name);
  }

  all(): Iterable<QueuedAlert> {
    return this.#alerts.values();
  }

  /** Groups with undecided changes, longest waiting first. */
  pendingGroups(): Iterable<Group> {
    return this.#groups.pending();
  }

  updatePending(group: Group): void {
    this.#groups.updatePending(group);
  }

  /** Records that the group's notification is no longer in flight. */
  release(group: string): void {
    this.#groups.release(group);
  }

  /** Restores an alert from its record. `firing` is its newest change, if that change fires. */
  restore(name: string, record: AlertRecord, firing: LoggedChange | undefined): void {
    const known = firing !== undefined && firing.sequence <= record.decided ? firing : undefined;
    const open = record.notified !== undefined && !isOver(record.notified);
    // An alert with nothing open needs its record only if its changes are read again.
    if (known === undefined && !open && record.decided <= this.#head) return;
    const alert = this.#newAlert(name);
    alert.decided = record.decided;
    alert.newest = record.decided;
    alert.notified = record.notified;
    alert.deliveries = record.deliveries;
    if (known === undefined || this.#options.route(known.change) === undefined) return;
    alert.firing = known;
    this.#join(alert, known);
  }

  /** Adds the next change of the log. Adding a change again has no effect. */
  add(logged: LoggedChange): void {
    const { change, sequence } = logged;
    this.#head = Math.max(this.#head, sequence);
    const known = this.#alerts.get(logged.alert);
    if (known !== undefined && sequence <= known.newest) return;
    const grouping = this.#options.route(change);
    if (known === undefined && grouping === undefined) return;
    const awaited = known !== undefined && isAwaitedEnd(known, logged);
    const states = (grouping ?? known?.group.grouping)?.states;
    const wanted = (grouping !== undefined || awaited) && states?.has(change.state) === true;
    const alert = known ?? this.#newAlert(logged.alert);
    alert.newest = sequence;
    if (change.state === "firing" && grouping !== undefined && !isMuted(change)) alert.firing = logged;
    else if (change.state !== "pending") alert.firing = undefined;
    if (wanted) {
      const free = !isOpen(alert, logged) || alert.group.grouping === UNROUTED;
      if (alert.waiting.length === 0 && free) this.#join(alert, logged);
      this.wait(alert, logged);
      this.#undecided.set(sequence, logged.storedAtUs);
    } else if (isEnd(change) && alert.notified !== undefined) {
      // The end is not sent, so the alert has nothing open any more.
      alert.notified = undefined;
      this.#unrecorded.set(alert, this.#unrecorded.get(alert) ?? 0);
    }
  }

  /** Queues a change of an alert. */
  wait(alert: QueuedAlert, logged: LoggedChange): void {
    alert.waiting.push(logged);
    this.#waiting++;
    this.#groups.markPending(alert.group);
  }

  /** Removes the oldest waiting change of an alert. */
  shift(alert: QueuedAlert): void {
    const logged = alert.waiting.shift();
    if (logged !== undefined) this.#undecided.delete(logged.sequence);
    this.#waiting--;
  }

  /** Records a decision. */
  record(
    alert: QueuedAlert,
    logged: LoggedChange,
    how: {
      readonly outcome: DeliveryOutcome;
      readonly nowUs: number;
      readonly inFlight?: InFlight;
      readonly by?: readonly string[] | undefined;
    },
  ): void {
    const { outcome, nowUs, inFlight, by } = how;
    const delivery = deliveryOf(this.#options.receiver, logged, { outcome, inFlight, atUs: nowUs });
    alert.decided = Math.max(alert.decided, logged.sequence);
    const unrecorded = (this.#unrecorded.get(alert) ?? 0) + 1;
    alert.deliveries = withDelivery(alert.deliveries, delivery, { inhibitedBy: by, unrecorded });
    this.#unrecorded.set(alert, unrecorded);
    this.#options.onDecided(outcome, logged);
  }

  /** The records of alerts with new decisions since the last call. */
  takeRecords(): { readonly alert: string; readonly record: AlertRecord }[] {
    const records = [...this.#unrecorded.keys()].map(({ name, decided, notified, deliveries }) => ({
      alert: name,
      record: { decided, notified, deliveries: [...deliveries] },
    }));
    this.#unrecorded.clear();
    return records;
  }

  /** Drops alerts that have nothing open and will not be read again. */
  prune(cursor: number): void {
    for (const alert of this.#alerts.values()) {
      if (alert.newest >= cursor || alert.waiting.length > 0 || isOpen(alert) || this.#unrecorded.has(alert)) continue;
      if (alert.group.busy) continue;
      this.#alerts.delete(alert.name);
      this.#groups.remove(alert);
    }
  }

  #newAlert(name: string): QueuedAlert {
    const alert = this.#groups.newAlert(name);
    this.#alerts.set(name, alert);
    return alert;
  }

  /** Moves an alert into the group of a change's labels. It remains there while anything is open. */
  #join(alert: QueuedAlert, { change }: LoggedChange): void {
    const grouping = this.#options.route(change);
    if (grouping === undefined) return;
    this.#groups.move(alert, { ...groupOf(grouping, alert.name, change), grouping });
    const { group, notified } = alert;
    if (notified === undefined || isOver(notified)) return;
    group.notifiedAtUs = Math.max(group.notifiedAtUs ?? 0, notified.atUs);
  }
}

import type { Delivery } from "../../contracts/notifications.ts";
import { isEnd, type LoggedChange } from "../common/logged-change.ts";
import { arrivedWith, deliveryOf, isNotified, notificationId, wasHeldBack } from "./alert-facts.ts";
import { decide } from "./decision.ts";
import type {
  AlertRecord,
  Group,
  InFlight,
  InFlightRecord,
  QueuedAlert,
  QueueOptions,
  Resumed,
} from "./queue-types.ts";
import { QueuedAlerts } from "./queued-alerts.ts";

const CHANGES_PER_NOTIFICATION_MAX = 100;
const REPEAT_SCAN_US = 500_000;
const PAUSE_US = 250_000; // Thousands of groups may wait: evaluating all of them at every call would be slow.

/**
 * Decides what to send to one target, and when. A state machine without clock or network: `add` accepts the changes of
 * the log, `next` returns the notifications that are due, `finish` records their outcomes. It returns its decisions as
 * records (`takeRecords`, `inFlightRecords`), from which a new queue resumes after a restart.
 *
 * Invariants: every change is decided once; an alert or a group has at most one notification in flight; a target that
 * was notified of a beginning is notified of the end. `decision.ts` decides, `delivery/sender.ts` sends.
 */
export class NotificationQueue {
  readonly #options: QueueOptions;
  readonly #alerts: QueuedAlerts;
  readonly #inFlight = new Set<InFlight>();
  #scannedAtUs = Number.NEGATIVE_INFINITY;

  constructor(options: QueueOptions, cursor: number) {
    this.#options = options;
    this.#alerts = new QueuedAlerts(options, cursor);
  }

  /** Number of undecided changes. */
  get waiting(): number {
    return this.#alerts.waiting;
  }

  /** Add no more changes while this is true; further ones wait in the log. */
  get full(): boolean {
    return this.waiting >= this.#options.waitingMax;
  }

  /** When the oldest undecided change was stored; undefined if all are decided. */
  get oldestWaitingUs(): number | undefined {
    return this.#alerts.oldestWaitingUs;
  }

  /** All changes before this sequence are decided, and durable once the records are stored. */
  cursor(): number {
    let cursor = this.#alerts.firstUndecided;
    for (const { kind, notification } of this.#inFlight) {
      if (kind === "change") for (const { sequence } of notification.changes) cursor = Math.min(cursor, sequence);
    }
    return cursor;
  }

  /** Restores an alert from its record. `firing` is its newest change, if that change fires. */
  restore(name: string, record: AlertRecord, firing: LoggedChange | undefined): void {
    this.#alerts.restore(name, record, firing);
  }

  /** Adds the next change of the log. Adding a change again has no effect. */
  add(logged: LoggedChange): void {
    this.#alerts.add(logged);
  }

  /** The records of alerts with new decisions since the last call. */
  takeRecords(): { readonly alert: string; readonly record: AlertRecord }[] {
    return this.#alerts.takeRecords();
  }

  /** Drops alerts that have nothing open and will not be read again. */
  prune(cursor: number): void {
    this.#alerts.prune(cursor);
  }

  /** A silence or an acknowledgement was added or removed: `next` evaluates all firing alerts again. */
  reevaluate(): void {
    this.#scannedAtUs = Number.NEGATIVE_INFINITY;
  }

  /** The next notification that is due. It is in flight until `finish`. */
  next(nowUs: number): InFlight | undefined {
    for (const group of this.#alerts.pendingGroups()) {
      if (group.busy) continue;
      const changes = this.#due(group, nowUs);
      this.#alerts.updatePending(group);
      if (changes.length > 0) return this.#send(group, { kind: "change", changes, nowUs });
    }
    return this.#nextRepeat(nowUs);
  }

  /** Records the outcome of a notification: delivered, or given up. */
  finish(inFlight: InFlight, outcome: "delivered" | "failed", nowUs: number): void {
    this.#inFlight.delete(inFlight);
    const { kind, notification } = inFlight;
    for (const logged of notification.changes) {
      const alert = this.#alerts.get(logged.alert);
      if (alert === undefined) continue;
      const { incident, state } = logged.change;
      const before = alert.notified?.incident === incident ? alert.notified : undefined;
      const repeats = kind === "repeat" ? notification.repeat : 0;
      // A failed repeat does not undo the notification before it.
      const delivered = outcome === "delivered" || (kind === "repeat" && before?.delivered === true);
      alert.notified = { incident, state, delivered, atUs: nowUs, repeats };
      alert.group.notifiedAtUs = nowUs;
      alert.group.busy = false;
      if (alert.waiting[0]?.sequence === logged.sequence) this.#alerts.shift(alert);
      this.#alerts.record(alert, logged, { outcome, nowUs, inFlight });
    }
    this.#alerts.release(inFlight.group);
  }

  /** The notifications in flight, as the log stores them. */
  inFlightRecords(): InFlightRecord[] {
    return [...this.#inFlight].map(({ notification, kind, group, startedAtUs, attempts }) => {
      const { id, labels, grouped, repeat, changes } = notification;
      const places = changes.map(({ alert, sequence }) => ({ alert, sequence }));
      return { id, kind, group, labels, grouped, repeat, startedAtUs, attempts, changes: places };
    });
  }

  /**
   * Resumes a notification that was in flight when the last run ended, with the same id and content. Call it after
   * adding everything that the log held at the start.
   */
  resume(record: InFlightRecord, find: (sequence: number) => LoggedChange | undefined): Resumed {
    const alerts = record.changes.map(({ alert }) => this.#alerts.get(alert));
    if (alerts.every((alert) => alert?.deliveries.some((each) => arrivedWith(each, record.id)))) {
      return { kind: "arrived" };
    }
    const changes = record.changes.flatMap(({ sequence }) => find(sequence) ?? []);
    if (changes.length === 0) return { kind: "lost" };
    const { id, kind, group, labels, grouped, repeat, startedAtUs, attempts } = record;
    const notification = { id, receiver: this.#options.receiver, repeat, grouped, labels, changes };
    const inFlight: InFlight = { notification, kind, group, startedAtUs, attempts, error: undefined };
    this.#inFlight.add(inFlight);
    for (const alert of alerts) if (alert) alert.group.busy = true;
    return { kind: "in-flight", inFlight };
  }

  /** Firing alerts that were delivered, for a target that expects them regularly. */
  deliveredFiring(): LoggedChange[] {
    return [...this.#alerts.all()].flatMap(({ firing, notified }) =>
      firing !== undefined && notified?.incident === firing.change.incident && notified.delivered ? [firing] : [],
    );
  }

  /** The newest decisions on an alert, and its waiting changes. */
  deliveriesOf(name: string): readonly Delivery[] {
    const alert = this.#alerts.get(name);
    if (alert === undefined) return [];
    const { receiver } = this.#options;
    const open = alert.waiting.map((logged): Delivery => {
      const inFlight = [...this.#inFlight].find(({ notification }) =>
        notification.changes.some(({ sequence }) => sequence === logged.sequence),
      );
      if (inFlight === undefined) return deliveryOf(receiver, logged, { outcome: "waiting", atUs: logged.storedAtUs });
      return deliveryOf(receiver, logged, { outcome: "sending", inFlight, atUs: inFlight.startedAtUs });
    });
    return [...alert.deliveries, ...open];
  }

  #due(group: Group, nowUs: number): LoggedChange[] {
    const { grouping, notifiedAtUs } = group;
    const changes: LoggedChange[] = [];
    for (const alert of group.alerts) {
      if (changes.length >= CHANGES_PER_NOTIFICATION_MAX) break;
      const logged = this.#nextOf(alert, nowUs);
      if (logged === undefined) continue;
      changes.push(logged);
      if (grouping.labels === undefined) return changes;
    }
    const oldestUs = changes.reduce((oldest, { storedAtUs }) => Math.min(oldest, storedAtUs), nowUs);
    const dueUs = notifiedAtUs === undefined ? oldestUs + grouping.waitUs : notifiedAtUs + grouping.intervalUs;
    return nowUs < dueUs ? [] : changes.sort((a, b) => a.sequence - b.sequence);
  }

  /** The next change of an alert to send. Decides on the earlier changes, in order. */
  #nextOf(alert: QueuedAlert, nowUs: number): LoggedChange | undefined {
    if (nowUs >= alert.pausedFromUs && nowUs < alert.pausedUntilUs) return undefined;
    for (;;) {
      const [logged] = alert.waiting;
      if (logged === undefined) return undefined;
      const { collapse, maxAgeUs, isSilenced } = this.#options;
      const end = alert.waiting.find((each) => isEnd(each.change) && each.change.incident === logged.change.incident);
      const inhibition = this.#options.inhibition(logged, nowUs, end?.storedAtUs);
      const silenced = isSilenced(logged, nowUs);
      const decision = decide(alert, logged, { collapse, maxAgeUs, nowUs, silenced, inhibition });
      if (decision === "send") return logged;
      if (decision === "wait") {
        alert.pausedFromUs = nowUs;
        alert.pausedUntilUs = Math.min(nowUs + PAUSE_US, inhibition.kind === "wait" ? inhibition.untilUs : nowUs);
        return undefined;
      }
      this.#alerts.shift(alert);
      const by = decision === "inhibited" && inhibition.kind === "inhibited" ? inhibition.by : undefined;
      this.#alerts.record(alert, logged, { outcome: decision, nowUs, by });
    }
  }

  /** A firing alert that is due for a repeat, or was held and is now free. */
  #nextRepeat(nowUs: number): InFlight | undefined {
    // A clock that is set back must not stop the scan.
    if (Math.abs(nowUs - this.#scannedAtUs) < REPEAT_SCAN_US) return undefined;
    for (const alert of this.#alerts.all()) {
      const { firing, group } = alert;
      if (firing === undefined || group.busy || alert.waiting.length > 0) continue;
      if (!isNotified(alert, firing)) {
        // Its silence or inhibition has ended: it is sent as if it had just begun.
        if (wasHeldBack(alert, firing) && this.#isFree(firing, nowUs)) this.#alerts.wait(alert, firing);
      } else if (this.#isRepeatDue(alert, firing, nowUs)) {
        return this.#send(group, { kind: "repeat", changes: this.#repeatable(group, firing, nowUs), nowUs });
      }
    }
    this.#scannedAtUs = nowUs;
    return undefined;
  }

  #isRepeatDue(alert: QueuedAlert, firing: LoggedChange, nowUs: number): boolean {
    const { repeatUs } = alert.group.grouping;
    const { repeats, isAcknowledged } = this.#options;
    if (!repeats || repeatUs === undefined || alert.notified === undefined) return false;
    if (nowUs - alert.notified.atUs < repeatUs) return false;
    return !isAcknowledged(firing) && this.#isFree(firing, nowUs);
  }

  /** Neither silenced nor inhibited. */
  #isFree(logged: LoggedChange, nowUs: number): boolean {
    const { isSilenced, inhibition } = this.#options;
    return !isSilenced(logged, nowUs) && inhibition(logged, nowUs).kind === "none";
  }

  /** All alerts of a group that may be repeated: a group is repeated as a whole. */
  #repeatable(group: Group, due: LoggedChange, nowUs: number): LoggedChange[] {
    if (group.grouping.labels === undefined) return [due];
    const { isAcknowledged } = this.#options;
    const changes = [...group.alerts].flatMap((alert) => {
      const { firing } = alert;
      if (firing === undefined || alert.waiting.length > 0 || !isNotified(alert, firing)) return [];
      return isAcknowledged(firing) || !this.#isFree(firing, nowUs) ? [] : [firing];
    });
    return changes.slice(0, CHANGES_PER_NOTIFICATION_MAX);
  }

  #send(
    group: Group,
    what: { readonly kind: InFlight["kind"]; readonly changes: readonly LoggedChange[]; readonly nowUs: number },
  ): InFlight {
    const { receiver } = this.#options;
    const { kind, changes, nowUs } = what;
    const repeatsOf = ({ alert }: LoggedChange) => this.#alerts.get(alert)?.notified?.repeats ?? 0;
    const repeat = kind === "change" ? 0 : 1 + Math.max(...changes.map(repeatsOf));
    const { key, labels, grouping } = group;
    const id = notificationId(receiver, changes, repeat);
    const notification = { id, receiver, repeat, grouped: grouping.labels !== undefined, labels, changes };
    const inFlight: InFlight = {
      ...{ notification, kind, group: key, startedAtUs: nowUs, attempts: 0, error: undefined },
    };
    group.busy = true;
    this.#inFlight.add(inFlight);
    return inFlight;
  }
}

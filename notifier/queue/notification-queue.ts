import type { Delivery, DeliveryOutcome } from "../../contracts/notifications.ts";
import { isMuted } from "../../domain/alert.ts";
import { isEnd, type LoggedChange } from "../common/logged-change.ts";
import { groupOf } from "../routes/route.ts";
import {
  arrivedWith,
  deliveryOf,
  isAwaitedEnd,
  isNotified,
  isOpen,
  isOver,
  notificationId,
  UNROUTED,
  wasHeldBack,
  withDelivery,
} from "./alert-facts.ts";
import { AlertGroups } from "./alert-groups.ts";
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

const CHANGES_PER_NOTIFICATION_MAX = 100;
const REPEAT_SCAN_US = 500_000;
const PAUSE_US = 250_000; // Thousands of groups may wait: they are not evaluated at every call.

/**
 * What to send to one target, and when. A state machine without clock and network: `add` takes the changes of the log,
 * `next` gives the notifications that are due, `finish` takes their outcomes. Its decisions leave as records
 * (`takeRecords`, `inFlightRecords`), from which a new queue resumes after a restart.
 *
 * Invariants: every change is decided once; an alert, and a group, has at most one notification in flight; a target that
 * was notified of a beginning is notified of the end. `decision.ts` decides, `delivery/sender.ts` sends.
 */
export class NotificationQueue {
  readonly #options: QueueOptions;
  readonly #alerts = new Map<string, QueuedAlert>();
  readonly #groups = new AlertGroups();
  readonly #inFlight = new Set<InFlight>();
  /** Alerts with decisions that are not in the log yet. */
  readonly #unrecorded = new Set<QueuedAlert>();
  #head: number;
  /** When undecided changes were stored, by sequence; oldest first, as they are added. */
  readonly #undecided = new Map<number, number>();
  #waiting = 0;
  #scannedAtUs = Number.NEGATIVE_INFINITY;

  constructor(options: QueueOptions, cursor: number) {
    this.#options = options;
    this.#head = cursor - 1;
  }

  /** Number of undecided changes. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Add no more: further changes wait in the log. */
  get full(): boolean {
    return this.#waiting >= this.#options.waitingMax;
  }

  /** Every change before this sequence is decided, and safe once the records are stored. */
  cursor(): number {
    let cursor = this.#undecided.keys().next().value ?? this.#head + 1;
    for (const { kind, notification } of this.#inFlight) {
      if (kind === "change") for (const { sequence } of notification.changes) cursor = Math.min(cursor, sequence);
    }
    return cursor;
  }

  /** When the oldest undecided change was stored; undefined when there is none. */
  oldestWaitingUs(): number | undefined {
    return this.#undecided.values().next().value;
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

  /** Adds the next change of the log. A change that was added before has no effect. */
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
      this.#wait(alert, logged);
      this.#undecided.set(sequence, logged.storedAtUs);
    } else if (isEnd(change) && alert.notified !== undefined) {
      // The end is not sent, so the alert has nothing open any longer.
      alert.notified = undefined;
      this.#unrecorded.add(alert);
    }
  }

  /** A silence or an acknowledgement was added or removed: the next call of `next` evaluates all firing alerts again. */
  reevaluate(): void {
    this.#scannedAtUs = Number.NEGATIVE_INFINITY;
  }

  /** The next notification that is due. It is in flight until `finish`. */
  next(nowUs: number): InFlight | undefined {
    for (const group of this.#groups.pending()) {
      if (group.busy) continue;
      const changes = this.#due(group, nowUs);
      this.#groups.updatePending(group);
      if (changes.length > 0) return this.#send(group, { kind: "change", changes, nowUs });
    }
    return this.#nextRepeat(nowUs);
  }

  /** Takes the outcome of a notification: delivered, or given up. */
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
      if (alert.waiting[0]?.sequence === logged.sequence) this.#shift(alert);
      this.#record(alert, logged, { outcome, nowUs, inFlight });
    }
    this.#groups.release(inFlight.group);
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
   * Resumes a notification that was in flight at the end of the last run, with the same id and content. Called after
   * everything that the log held at the start was added.
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

  /** The records of alerts with new decisions since the last call. */
  takeRecords(): { readonly alert: string; readonly record: AlertRecord }[] {
    const records = [...this.#unrecorded].map(({ name, decided, notified, deliveries }) => ({
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

  /** Firing alerts that were delivered, for a target that expects them again and again. */
  deliveredFiring(): LoggedChange[] {
    return [...this.#alerts.values()].flatMap(({ firing, notified }) =>
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

  /** The next change of an alert to send. Decides on the changes before it, in order. */
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
      this.#shift(alert);
      const by = decision === "inhibited" && inhibition.kind === "inhibited" ? inhibition.by : undefined;
      this.#record(alert, logged, { outcome: decision, nowUs, by });
    }
  }

  /** A firing alert that is due to be repeated, or was held back and is free now. */
  #nextRepeat(nowUs: number): InFlight | undefined {
    // A clock that was set back must not stop the scan.
    if (Math.abs(nowUs - this.#scannedAtUs) < REPEAT_SCAN_US) return undefined;
    for (const alert of this.#alerts.values()) {
      const { firing, group } = alert;
      if (firing === undefined || group.busy || alert.waiting.length > 0) continue;
      if (!isNotified(alert, firing)) {
        // Its silence or inhibition has ended: it is sent as if it had just begun.
        if (wasHeldBack(alert, firing) && this.#isFree(firing, nowUs)) this.#wait(alert, firing);
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

  #record(
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
    alert.deliveries = withDelivery(alert.deliveries, delivery, by);
    this.#unrecorded.add(alert);
    this.#options.onDecided(outcome, logged);
  }

  #wait(alert: QueuedAlert, logged: LoggedChange): void {
    alert.waiting.push(logged);
    this.#waiting++;
    this.#groups.markPending(alert.group);
  }

  #shift(alert: QueuedAlert): void {
    const logged = alert.waiting.shift();
    if (logged !== undefined) this.#undecided.delete(logged.sequence);
    this.#waiting--;
  }

  #newAlert(name: string): QueuedAlert {
    const alert = this.#groups.newAlert(name);
    this.#alerts.set(name, alert);
    return alert;
  }

  /** Moves an alert into the group of a change's labels. It stays there while anything is open. */
  #join(alert: QueuedAlert, { change }: LoggedChange): void {
    const grouping = this.#options.route(change);
    if (grouping === undefined) return;
    this.#groups.move(alert, { ...groupOf(grouping, alert.name, change), grouping });
    const { group, notified } = alert;
    if (notified === undefined || isOver(notified)) return;
    group.notifiedAtUs = Math.max(group.notifiedAtUs ?? 0, notified.atUs);
  }
}

import type { Delivery, DeliveryOutcome } from "../../contracts/notifications.ts";
import { isMuted } from "../../domain/alert.ts";
import { type ChangeEntry, isEnd } from "../common/change-entry.ts";
import type {
  DeliveryRecord,
  Flight,
  FlightRecord,
  Group,
  LaneAlert,
  LaneOptions,
  Resumed,
} from "../common/lane-types.ts";
import { groupOf } from "../routing/router.ts";
import { ALONE, arrivedWith, deliveryOf, isOver, messageId, wasHeld } from "./lane-facts.ts";
import { verdict } from "./verdict.ts";

const CHANGES_PER_MESSAGE_MAX = 100;
const DELIVERIES_MAX = 8;
const REPEAT_SCAN_US = 500_000;
const REST_US = 250_000; // Thousands of groups may wait: they are not scanned at every call.

/**
 * What one target is to be told, and when. Knows no clock and no network: changes are taken in, messages asked for, and
 * what became of them reported. What it has decided comes out as records, which a new lane begins from.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #alerts = new Map<string, LaneAlert>();
  readonly #groups = new Map<string, Group>();
  /** Groups with something that is not decided yet; the longest waiting first. */
  readonly #pending = new Set<Group>();
  readonly #flights = new Set<Flight>();
  readonly #dirty = new Set<LaneAlert>();
  #head: number;
  /** When changes that are not decided were stored, by sequence; the oldest first, as they are taken in. */
  readonly #undecided = new Map<number, number>();
  #waiting = 0;
  #scannedAtUs = Number.NEGATIVE_INFINITY;

  constructor(options: LaneOptions, cursor: number) {
    this.#options = options;
    this.#head = cursor - 1;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** No more should be taken in: the log is the queue. */
  get full(): boolean {
    return this.#waiting >= this.#options.waitingMax;
  }

  /** What is on its way, as it is to be remembered. */
  flightRecords(): FlightRecord[] {
    return [...this.#flights].map(({ entries, error: _, ...flight }) => ({
      ...flight,
      changes: entries.map(({ alert, sequence }) => ({ alert, sequence })),
    }));
  }

  /** Everything before this sequence is decided, and in the records once these are kept. */
  cursor(): number {
    let cursor = this.#undecided.keys().next().value ?? this.#head + 1;
    for (const { kind, entries } of this.#flights) {
      if (kind === "change") for (const { sequence } of entries) cursor = Math.min(cursor, sequence);
    }
    return cursor;
  }

  /** When the oldest change that is not decided was stored; undefined when there is none. */
  oldestWaitingUs(): number | undefined {
    return this.#undecided.values().next().value;
  }

  /** Begins an alert from its record. `firing` is its newest change, if that says that it fires. */
  restore(name: string, record: DeliveryRecord, firing: ChangeEntry | undefined): void {
    const known = firing !== undefined && firing.sequence <= record.settled ? firing : undefined;
    const open = record.told !== undefined && !isOver(record.told);
    // An alert of which nothing is open needs its record only against being read again.
    if (known === undefined && !open && record.settled <= this.#head) return;
    const alert = this.#newAlert(name);
    alert.settled = record.settled;
    alert.seen = record.settled;
    alert.told = record.told;
    alert.deliveries = record.deliveries;
    const grouping = known && this.#options.route(known.change);
    if (known === undefined || grouping === undefined) return;
    alert.firing = known;
    this.#join(alert, known);
  }

  /** Takes in the next change of the log. One that was taken in before changes nothing. */
  take(entry: ChangeEntry): void {
    const { change, sequence } = entry;
    this.#head = Math.max(this.#head, sequence);
    const known = this.#alerts.get(entry.alert);
    if (known !== undefined && sequence <= known.seen) return;
    const grouping = this.#options.route(change);
    const awaited = known !== undefined && this.#awaitsEnd(known, entry);
    const states = (grouping ?? known?.group.grouping)?.states;
    const told = (grouping !== undefined || awaited) && states?.has(change.state) === true;
    if (known === undefined && grouping === undefined) return;
    const alert = known ?? this.#newAlert(entry.alert);
    alert.seen = sequence;
    if (change.state === "firing" && grouping !== undefined && !isMuted(change)) alert.firing = entry;
    else if (change.state !== "pending") alert.firing = undefined;
    if (told) {
      const free = !this.#isOpen(alert, entry) || alert.group.grouping === ALONE;
      if (alert.waiting.length === 0 && free) this.#join(alert, entry);
      alert.waiting.push(entry);
      this.#waiting++;
      this.#undecided.set(sequence, entry.storedAtUs);
      this.#pending.add(alert.group);
    } else if (isEnd(change) && alert.told !== undefined) {
      // Its end is not to be told, so nothing is open any more.
      alert.told = undefined;
      this.#dirty.add(alert);
    }
  }

  /** A silence or an acknowledgement has come or gone: what fires is looked at again at the next call of `next`. */
  lookAgain(): void {
    this.#scannedAtUs = Number.NEGATIVE_INFINITY;
  }

  /** The next message that may go out now; it counts as on its way until `land`. */
  next(nowUs: number): Flight | undefined {
    for (const group of this.#pending) {
      if (group.busy) continue;
      const entries = this.#due(group, nowUs);
      if (![...group.alerts].some(({ waiting }) => waiting.length > 0)) this.#pending.delete(group);
      if (entries.length > 0) return this.#launch(group, "change", entries, nowUs);
    }
    return this.#nextRepeat(nowUs);
  }

  /** Reports what became of a message. Delivered, or given up. */
  land(flight: Flight, delivered: boolean, nowUs: number): void {
    this.#flights.delete(flight);
    const outcome: DeliveryOutcome = delivered ? "delivered" : "failed";
    for (const entry of flight.entries) {
      const alert = this.#alerts.get(entry.alert);
      if (alert === undefined) continue;
      const { incident, state } = entry.change;
      const before = alert.told?.incident === incident ? alert.told : undefined;
      const repeats = flight.kind === "repeat" ? flight.repeat : 0;
      // A repeat that was given up does not undo what was told before.
      const took = delivered || (flight.kind === "repeat" && before?.delivered === true);
      alert.told = { incident, state, delivered: took, atUs: nowUs, repeats };
      alert.group.toldAtUs = nowUs;
      alert.group.busy = false;
      if (alert.waiting[0]?.sequence === entry.sequence) this.#shift(alert);
      this.#settle(alert, entry, outcome, { nowUs, flight });
    }
    const group = this.#groups.get(flight.group);
    if (group === undefined) return;
    group.busy = false;
    this.#discardEmpty(group);
  }

  /**
   * Takes up a message that was on its way, whole as it was. Called when all that was in the log at the start is taken in.
   */
  resume(record: FlightRecord, find: (sequence: number) => ChangeEntry | undefined): Resumed {
    const alerts = record.changes.map(({ alert }) => this.#alerts.get(alert));
    if (alerts.every((alert) => alert?.deliveries.some((each) => arrivedWith(each, record.id)))) {
      return { kind: "arrived" };
    }
    const entries = record.changes.flatMap(({ sequence }) => find(sequence) ?? []);
    if (entries.length === 0) return { kind: "lost" };
    const { id, kind, group, labels, grouped, repeat, startedAtUs, attempts } = record;
    const flight: Flight = {
      ...{ id, kind, group, labels, grouped, repeat, entries, startedAtUs, attempts },
      error: undefined,
    };
    this.#flights.add(flight);
    for (const alert of alerts) if (alert) alert.group.busy = true;
    return { kind: "flying", flight };
  }

  /** Alerts whose decisions changed since the last call, with what to remember. */
  takeRecords(): { readonly alert: string; readonly record: DeliveryRecord }[] {
    const records = [...this.#dirty].map(({ name, settled, told, deliveries }) => ({
      alert: name,
      record: { settled, deliveries: [...deliveries], ...(told === undefined ? {} : { told }) },
    }));
    this.#dirty.clear();
    return records;
  }

  /** Forgets alerts that nothing is open of and that will not be read again. */
  prune(cursor: number): void {
    for (const alert of this.#alerts.values()) {
      if (alert.seen >= cursor || alert.waiting.length > 0 || this.#isOpen(alert) || this.#dirty.has(alert)) continue;
      if (alert.group.busy) continue;
      this.#alerts.delete(alert.name);
      this.#leave(alert);
    }
  }

  /** What fires and was told, for a target that must hear of it again and again. */
  toldFiring(): ChangeEntry[] {
    return [...this.#alerts.values()].flatMap(({ firing, told }) =>
      firing !== undefined && told?.incident === firing.change.incident && told.delivered ? [firing] : [],
    );
  }

  /** What is decided and what waits, of one alert. */
  deliveriesOf(name: string): readonly Delivery[] {
    const alert = this.#alerts.get(name);
    if (alert === undefined) return [];
    const flying = [...this.#flights].flatMap((flight) => flight.entries.map((entry) => ({ flight, entry })));
    const open = alert.waiting.map((entry): Delivery => {
      const flight = flying.find((each) => each.entry.sequence === entry.sequence)?.flight;
      const base = deliveryOf(this.#options.receiver, entry, flight ? "sending" : "waiting", flight);
      return { ...base, atUs: flight?.startedAtUs ?? entry.storedAtUs };
    });
    return [...alert.deliveries, ...open];
  }

  #due(group: Group, nowUs: number): ChangeEntry[] {
    const { grouping, toldAtUs } = group;
    const entries: ChangeEntry[] = [];
    for (const alert of group.alerts) {
      if (entries.length >= CHANGES_PER_MESSAGE_MAX) break;
      const entry = this.#front(alert, nowUs);
      if (entry === undefined) continue;
      entries.push(entry);
      if (grouping.labels === undefined) return entries;
    }
    const oldestUs = entries.reduce((oldest, { storedAtUs }) => Math.min(oldest, storedAtUs), nowUs);
    const dueUs = toldAtUs === undefined ? oldestUs + grouping.waitUs : toldAtUs + grouping.intervalUs;
    return nowUs < dueUs ? [] : entries.sort((a, b) => a.sequence - b.sequence);
  }

  /** The next change of an alert that is to be told; decides about those before it, in order. */
  #front(alert: LaneAlert, nowUs: number): ChangeEntry | undefined {
    if (nowUs >= alert.restsFromUs && nowUs < alert.restsUntilUs) return undefined;
    for (;;) {
      const [entry] = alert.waiting;
      if (entry === undefined) return undefined;
      const { collapse, maxAgeUs, isSilenced } = this.#options;
      const end = alert.waiting.find((each) => isEnd(each.change) && each.change.incident === entry.change.incident);
      const inhibition = this.#options.inhibition(entry, nowUs, end?.storedAtUs);
      const silenced = isSilenced(entry, nowUs);
      const decision = verdict(alert, entry, { collapse, maxAgeUs, nowUs, silenced, inhibition });
      if (decision === "tell") return entry;
      if (decision === "wait") {
        alert.restsFromUs = nowUs;
        alert.restsUntilUs = Math.min(nowUs + REST_US, inhibition.kind === "wait" ? inhibition.untilUs : nowUs);
        return undefined;
      }
      this.#shift(alert);
      const by = decision === "inhibited" && inhibition.kind === "held" ? inhibition.by : undefined;
      this.#settle(alert, entry, decision, { nowUs, by });
    }
  }

  /** What still fires and is due to be told again, or could not be told before. */
  #nextRepeat(nowUs: number): Flight | undefined {
    // A clock that was set back must not stop the looking.
    if (Math.abs(nowUs - this.#scannedAtUs) < REPEAT_SCAN_US) return undefined;
    for (const alert of this.#alerts.values()) {
      const { firing, group } = alert;
      if (firing === undefined || group.busy || alert.waiting.length > 0) continue;
      if (!this.#isTold(alert, firing)) {
        // What held it has ended: it is told now as if it had just begun.
        if (!wasHeld(alert, firing) || !this.#isFree(firing, nowUs)) continue;
        alert.waiting.push(firing);
        this.#waiting++;
        this.#pending.add(group);
      } else if (this.#repeatDue(alert, firing, nowUs)) {
        return this.#launch(group, "repeat", this.#repeatable(group, firing, nowUs), nowUs);
      }
    }
    this.#scannedAtUs = nowUs;
    return undefined;
  }

  #repeatDue(alert: LaneAlert, firing: ChangeEntry, nowUs: number): boolean {
    const { repeatUs } = alert.group.grouping;
    const { repeats, isAcknowledged } = this.#options;
    if (!repeats || repeatUs === undefined || alert.told === undefined) return false;
    if (nowUs - alert.told.atUs < repeatUs) return false;
    return !isAcknowledged(firing) && this.#isFree(firing, nowUs);
  }

  #isFree(entry: ChangeEntry, nowUs: number): boolean {
    const { isSilenced, inhibition } = this.#options;
    return !isSilenced(entry, nowUs) && inhibition(entry, nowUs).kind === "free";
  }

  /** All of a group that may be repeated, so that the group stays in step. */
  #repeatable(group: Group, due: ChangeEntry, nowUs: number): ChangeEntry[] {
    if (group.grouping.labels === undefined) return [due];
    const { isAcknowledged } = this.#options;
    const entries = [...group.alerts].flatMap((alert) => {
      const { firing } = alert;
      if (firing === undefined || alert.waiting.length > 0 || !this.#isTold(alert, firing)) return [];
      return isAcknowledged(firing) || !this.#isFree(firing, nowUs) ? [] : [firing];
    });
    return entries.slice(0, CHANGES_PER_MESSAGE_MAX);
  }

  #launch(group: Group, kind: Flight["kind"], entries: ChangeEntry[], nowUs: number): Flight {
    const repeat =
      kind === "change" ? 0 : 1 + Math.max(...entries.map(({ alert }) => this.#alerts.get(alert)?.told?.repeats ?? 0));
    const flight: Flight = {
      ...{ id: messageId(this.#options.receiver, entries, repeat), kind, group: group.key, labels: group.labels },
      ...{ grouped: group.grouping.labels !== undefined, repeat, entries, startedAtUs: nowUs, attempts: 0 },
      error: undefined,
    };
    group.busy = true;
    this.#flights.add(flight);
    return flight;
  }

  #settle(
    alert: LaneAlert,
    entry: ChangeEntry,
    outcome: DeliveryOutcome,
    how: { readonly nowUs: number; readonly flight?: Flight; readonly by?: readonly string[] | undefined },
  ): void {
    alert.settled = Math.max(alert.settled, entry.sequence);
    const delivery = { ...deliveryOf(this.#options.receiver, entry, outcome, how.flight), atUs: how.nowUs };
    const before = alert.deliveries.find(({ change }) => change === delivery.change);
    const attempts = (before?.attempts ?? 0) + delivery.attempts;
    const inhibitedBy = how.by ?? before?.inhibitedBy;
    const others = alert.deliveries.filter((each) => each !== before);
    const decided = { ...delivery, attempts, ...(inhibitedBy === undefined ? {} : { inhibitedBy }) };
    alert.deliveries = [...others, decided].slice(-DELIVERIES_MAX);
    this.#dirty.add(alert);
    this.#options.onSettled(outcome, entry);
  }

  #shift(alert: LaneAlert): void {
    const entry = alert.waiting.shift();
    if (entry !== undefined) this.#undecided.delete(entry.sequence);
    this.#waiting--;
  }

  /** The end of what the target was told of is told, whatever the routes say by now. */
  #awaitsEnd(alert: LaneAlert, { change }: ChangeEntry): boolean {
    if (!isEnd(change)) return false;
    if (alert.told?.incident === change.incident && alert.told.state !== change.state) return true;
    return alert.waiting.some((each) => each.change.incident === change.incident);
  }

  #isTold({ told }: LaneAlert, { change }: ChangeEntry): boolean {
    return told?.incident === change.incident && told.state === "firing";
  }

  /** Whether something other than this change keeps the alert in its group. */
  #isOpen({ firing, told }: LaneAlert, besides?: ChangeEntry): boolean {
    return (firing !== undefined && firing !== besides) || (told !== undefined && !isOver(told));
  }

  #newAlert(name: string): LaneAlert {
    const group = this.#group(`alert ${name}`, {}, ALONE);
    const alert: LaneAlert = {
      ...{ name, waiting: [], firing: undefined, seen: 0, settled: 0, told: undefined, deliveries: [], group },
      ...{ restsFromUs: 0, restsUntilUs: 0 },
    };
    group.alerts.add(alert);
    this.#alerts.set(name, alert);
    return alert;
  }

  /** Puts an alert into the group that it belongs to by a change's labels. It stays there while anything is open. */
  #join(alert: LaneAlert, { change }: ChangeEntry): void {
    const grouping = this.#options.route(change);
    if (grouping === undefined) return;
    const { key, labels } = groupOf(grouping, alert.name, change);
    this.#leave(alert);
    alert.group = this.#group(key, labels, grouping);
    alert.group.alerts.add(alert);
    const { group, told } = alert;
    if (told !== undefined && !isOver(told)) group.toldAtUs = Math.max(group.toldAtUs ?? 0, told.atUs);
  }

  #group(key: string, labels: Group["labels"], grouping: Group["grouping"]): Group {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group: Group = { key, labels, grouping, alerts: new Set(), busy: false, toldAtUs: undefined };
    this.#groups.set(key, group);
    return group;
  }

  #leave(alert: LaneAlert): void {
    const { group } = alert;
    group.alerts.delete(alert);
    this.#discardEmpty(group);
  }

  #discardEmpty(group: Group): void {
    if (group.alerts.size > 0 || group.busy) return;
    this.#groups.delete(group.key);
    this.#pending.delete(group);
  }
}

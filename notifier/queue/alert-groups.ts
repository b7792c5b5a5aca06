import type { Tags } from "../../domain/reading.ts";
import { type Grouping, groupOfOne } from "../routes/route.ts";
import { UNROUTED } from "./alert-facts.ts";
import type { Group, QueuedAlert } from "./queue-types.ts";

/**
 * The groups of one target. Every alert is in exactly one group; a group without alerts and notifications is dropped.
 */
export class AlertGroups {
  readonly #byKey = new Map<string, Group>();
  /** Groups with undecided changes, longest waiting first. */
  readonly #pending = new Set<Group>();

  /** Adds a new alert, in a separate group until its route is known. */
  newAlert(name: string): QueuedAlert {
    const group = this.#get(groupOfOne(name), {}, UNROUTED);
    const alert: QueuedAlert = {
      ...{ name, waiting: [], firing: undefined, newest: 0, decided: 0, notified: undefined, deliveries: [], group },
      ...{ pausedFromUs: 0, pausedUntilUs: 0 },
    };
    group.alerts.add(alert);
    return alert;
  }

  move(alert: QueuedAlert, to: { readonly key: string; readonly labels: Tags; readonly grouping: Grouping }): void {
    this.remove(alert);
    alert.group = this.#get(to.key, to.labels, to.grouping);
    alert.group.alerts.add(alert);
  }

  remove(alert: QueuedAlert): void {
    const { group } = alert;
    group.alerts.delete(alert);
    this.#dropIfEmpty(group);
  }

  pending(): Iterable<Group> {
    return this.#pending;
  }

  markPending(group: Group): void {
    this.#pending.add(group);
  }

  /** Keeps a group among the pending ones only while it has undecided changes. */
  updatePending(group: Group): void {
    for (const { waiting } of group.alerts) if (waiting.length > 0) return;
    this.#pending.delete(group);
  }

  /** Records that the group's notification is no longer in flight. */
  release(key: string): void {
    const group = this.#byKey.get(key);
    if (group === undefined) return;
    group.busy = false;
    this.#dropIfEmpty(group);
  }

  #get(key: string, labels: Tags, grouping: Grouping): Group {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const group: Group = { key, labels, grouping, alerts: new Set(), busy: false, notifiedAtUs: undefined };
    this.#byKey.set(key, group);
    return group;
  }

  #dropIfEmpty(group: Group): void {
    if (group.alerts.size > 0 || group.busy) return;
    this.#byKey.delete(group.key);
    this.#pending.delete(group);
  }
}

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { type AlertChange, SEVERITIES, type Severity } from "../../../domain/alert.ts";
import type { Frame } from "./frame.ts";

export const CHANGES_MAX = 500;
export const OPEN_MAX = 1_000;

export interface AlertStore {
  /** Pending and firing: firing first, then by severity, then the newest. */
  readonly open: ReadonlySignal<readonly AlertChange[]>;
  /** Newest first. */
  readonly changes: ReadonlySignal<readonly AlertChange[]>;
  readonly byDevice: ReadonlySignal<ReadonlyMap<string, readonly AlertChange[]>>;
  readonly firing: ReadonlySignal<Readonly<Record<Severity, number>>>;
  readonly pending: ReadonlySignal<number>;
  readonly loaded: ReadonlySignal<boolean>;
  /** Open alerts beyond what the page keeps. */
  readonly overflow: ReadonlySignal<number>;
  /** The newest change of every alert: replaces what was open. */
  snapshot(changes: readonly AlertChange[]): void;
  update(changes: readonly AlertChange[]): void;
  /** Older changes from the store, for the list only. */
  history(changes: readonly AlertChange[]): void;
}

export function createAlertStore(frame: Frame): AlertStore {
  const openByKey = new Map<string, AlertChange>();
  const changesById = new Map<string, AlertChange>();
  const open = signal<readonly AlertChange[]>([]);
  const changes = signal<readonly AlertChange[]>([]);
  const loaded = signal(false);
  const overflow = signal(0);
  let refused = 0;

  function flush(): void {
    open.value = [...openByKey.values()].sort(byUrgency);
    changes.value = [...changesById.values()].sort(newestFirst).slice(0, CHANGES_MAX);
    // Only the newest are kept; the map would grow for ever otherwise.
    if (changesById.size > CHANGES_MAX) {
      changesById.clear();
      for (const change of changes.value) changesById.set(change.id, change);
    }
    overflow.value = refused;
  }

  function apply(change: AlertChange): void {
    changesById.set(change.id, change);
    const key = alertKey(change);
    if (!isOpen(change)) openByKey.delete(key);
    else if (openByKey.has(key) || openByKey.size < OPEN_MAX) openByKey.set(key, change);
    else refused++;
    // A burst in a hidden tab, which gets no frames, must not pile up.
    if (changesById.size > CHANGES_MAX * 4) flush();
  }

  const byDevice = computed(() => {
    const devices = new Map<string, AlertChange[]>();
    for (const change of open.value) {
      const device = deviceOf(change);
      if (device === undefined) continue;
      const list = devices.get(device);
      if (list === undefined) devices.set(device, [change]);
      else list.push(change);
    }
    return devices;
  });
  const firing = computed(() => {
    const counts = { info: 0, warning: 0, critical: 0 };
    for (const change of open.value) if (change.state === "firing") counts[change.severity]++;
    return counts;
  });
  const pending = computed(() => open.value.filter((change) => change.state === "pending").length);

  return {
    open,
    changes,
    byDevice,
    firing,
    pending,
    loaded,
    overflow,
    snapshot(items) {
      openByKey.clear();
      refused = 0;
      for (const change of items) apply(change);
      frame(flush);
      loaded.value = true;
    },
    update(items) {
      for (const change of items) apply(change);
      frame(flush);
    },
    history(items) {
      for (const change of items) if (!changesById.has(change.id)) changesById.set(change.id, change);
      frame(flush);
    },
  };
}

export function isOpen(change: AlertChange): boolean {
  return change.state === "pending" || change.state === "firing";
}

/** The device that an alert is about, where it is about one. */
export function deviceOf(change: AlertChange): string | undefined {
  return change.key.device ?? change.labels.device;
}

/** What the alert is about, in words: its device, or all labels of its group. */
export function subjectOf(change: AlertChange): string {
  return deviceOf(change) ?? (Object.values(change.key).join(" · ") || change.rule);
}

/** Equal for all changes of one rule about one group. */
export function alertKey(change: AlertChange): string {
  const names = Object.keys(change.key).sort();
  return [change.rule, ...names.map((name) => `${name}\u0001${change.key[name]}`)].join("\u0000");
}

/** Higher is worse. */
export function rankOf(severity: Severity): number {
  return SEVERITIES.indexOf(severity);
}

function byUrgency(a: AlertChange, b: AlertChange): number {
  if (a.state !== b.state) return a.state === "firing" ? -1 : 1;
  return rankOf(b.severity) - rankOf(a.severity) || b.activeAtUs - a.activeAtUs || (a.id < b.id ? -1 : 1);
}

function newestFirst(a: AlertChange, b: AlertChange): number {
  return b.processedAtUs - a.processedAtUs || b.atUs - a.atUs || (a.id < b.id ? -1 : 1);
}

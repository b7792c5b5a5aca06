import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { type AlertChange, SEVERITIES, type Severity } from "../../../domain/alert.ts";
import { keyName } from "../../../domain/alert-ids.ts";
import type { Device, Tags } from "../../../domain/reading.ts";
import type { Frame } from "./frame.ts";

export const CHANGES_MAX = 500;
/** For memory only, like the gateway's own bound: each open alert is listed. */
export const OPEN_MAX = 100_000;

/** Open alerts by the name of their device; the devices of that name differ in their tags. */
export type OpenByDevice = ReadonlyMap<string, readonly AlertChange[]>;

/** Open alerts and the newest changes. Signals change once a frame. */
export class AlertStore {
  readonly #open = signal<readonly AlertChange[]>([]);
  /** Pending and firing: firing first, then by severity, then the newest. */
  readonly open: ReadonlySignal<readonly AlertChange[]> = this.#open;
  readonly #changes = signal<readonly AlertChange[]>([]);
  /** Newest first. */
  readonly changes: ReadonlySignal<readonly AlertChange[]> = this.#changes;
  /** Open alerts by the name of their device. */
  readonly byDevice: ReadonlySignal<OpenByDevice> = computed(() => groupByDevice(this.#open.value));
  readonly firing: ReadonlySignal<Readonly<Record<Severity, number>>> = computed(() => countFiring(this.#open.value));
  readonly pending: ReadonlySignal<number> = computed(
    () => this.#open.value.filter((change) => change.state === "pending").length,
  );
  readonly #loaded = signal(false);
  readonly loaded: ReadonlySignal<boolean> = this.#loaded;
  readonly #overflow = signal(0);
  /** Open alerts beyond the page's limit. */
  readonly overflow: ReadonlySignal<number> = this.#overflow;
  readonly #frame: Frame;
  readonly #openByKey = new Map<string, AlertChange>();
  readonly #changesById = new Map<string, AlertChange>();
  #refused = 0;

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  /** The newest change of every alert: replaces the open alerts. */
  snapshot(items: readonly AlertChange[]): void {
    this.#openByKey.clear();
    this.#refused = 0;
    this.update(items);
    this.#loaded.value = true;
  }

  update(items: readonly AlertChange[]): void {
    for (const change of items) this.#apply(change);
    this.#frame(this.#flush);
  }

  /** Older changes from the store, for the list only. */
  history(items: readonly AlertChange[]): void {
    for (const change of items) if (!this.#changesById.has(change.id)) this.#changesById.set(change.id, change);
    this.#frame(this.#flush);
  }

  #apply(change: AlertChange): void {
    this.#changesById.set(change.id, change);
    const key = alertKey(change);
    if (!isOpen(change)) this.#openByKey.delete(key);
    else if (this.#openByKey.has(key) || this.#openByKey.size < OPEN_MAX) this.#openByKey.set(key, change);
    else this.#refused++;
    // Bounded: a hidden tab gets no frames, and a burst would otherwise pile up here.
    if (this.#changesById.size > CHANGES_MAX * 4) this.#flush();
  }

  /** A single function, so that each frame runs it once, however often it is requested. */
  readonly #flush = (): void => {
    this.#open.value = [...this.#openByKey.values()].sort(byUrgency);
    this.#changes.value = [...this.#changesById.values()].sort(newestFirst).slice(0, CHANGES_MAX);
    // Keeps only the newest. The map would otherwise grow without end.
    if (this.#changesById.size > CHANGES_MAX) {
      this.#changesById.clear();
      for (const change of this.#changes.value) this.#changesById.set(change.id, change);
    }
    this.#overflow.value = this.#refused;
  };
}

function groupByDevice(open: readonly AlertChange[]): OpenByDevice {
  const devices = new Map<string, AlertChange[]>();
  for (const change of open) {
    const device = deviceOf(change);
    if (device === undefined) continue;
    const list = devices.get(device);
    if (list === undefined) devices.set(device, [change]);
    else list.push(change);
  }
  return devices;
}

function countFiring(open: readonly AlertChange[]): Record<Severity, number> {
  const counts = { info: 0, warning: 0, critical: 0 };
  for (const change of open) if (change.state === "firing") counts[change.severity]++;
  return counts;
}

export function isOpen(change: AlertChange): boolean {
  return change.state === "pending" || change.state === "firing";
}

/** The device that an alert is about; undefined if its group is not one device. */
export function deviceOf({ key, labels }: Pick<AlertChange, "key" | "labels">): string | undefined {
  return key.device ?? labels.device;
}

/** The tags of a device that the alert's group names. */
export function deviceTagsOf({ key }: Pick<AlertChange, "key">): Tags {
  return Object.fromEntries(Object.entries(key).filter(([name]) => name !== "device" && name !== "metric"));
}

/** Whether the alert is about this device, perhaps with other devices of its name. */
export function isAboutDevice(change: AlertChange, { device, tags }: Device): boolean {
  if (deviceOf(change) !== device) return false;
  return Object.entries(deviceTagsOf(change)).every(([name, value]) => tags[name] === value);
}

const NONE: readonly AlertChange[] = [];

/** The open alerts about a device, the most urgent first. */
export function openAlertsOf(byDevice: OpenByDevice, device: Device): readonly AlertChange[] {
  const open = byDevice.get(device.device)?.filter((change) => isAboutDevice(change, device)) ?? NONE;
  return open.length === 0 ? NONE : open;
}

/**
 * The subject of the alert in words: its device, or all labels of its group. Of several devices of one name, also the
 * tags.
 */
export function subjectOf(
  change: Pick<AlertChange, "key" | "labels" | "rule">,
  devices: { readonly having: (device: Device) => readonly unknown[] },
): string {
  const device = deviceOf(change);
  if (device === undefined) return Object.values(change.key).join(" · ") || change.rule;
  const tags = Object.entries(deviceTagsOf(change)).map(([name, value]) => `${name} ${value}`);
  return tags.length > 0 && devices.having({ device, tags: {} }).length > 1 ? `${device} · ${tags.join(", ")}` : device;
}

/** Equal for all changes of one rule and group. */
export function alertKey({ rule, key }: AlertChange): string {
  return `${rule}\u0000${keyName(key)}`;
}

export interface OpenLists {
  /** Firing, and nobody has acknowledged it. */
  readonly unacknowledged: readonly AlertChange[];
  readonly acknowledged: readonly AlertChange[];
  readonly pending: readonly AlertChange[];
}

/** Open alerts by what they ask of people. */
export function openLists(open: readonly AlertChange[], isAcknowledged: (incident: string) => boolean): OpenLists {
  const lists = {
    unacknowledged: [] as AlertChange[],
    acknowledged: [] as AlertChange[],
    pending: [] as AlertChange[],
  };
  for (const change of open) {
    if (change.state === "pending") lists.pending.push(change);
    else (isAcknowledged(change.incident) ? lists.acknowledged : lists.unacknowledged).push(change);
  }
  return lists;
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

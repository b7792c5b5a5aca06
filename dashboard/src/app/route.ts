import { type ReadonlySignal, signal } from "@preact/signals";
import { rangeById, type Span } from "../lib/ranges.ts";

export const DEVICE_STATES = ["alerting", "silent", "odd"] as const;
export const DEVICE_SORTS = ["name", "worst", "seen"] as const;

export interface DeviceFilter {
  readonly find: string;
  readonly site: string | undefined;
  readonly state: (typeof DEVICE_STATES)[number] | undefined;
  readonly sort: (typeof DEVICE_SORTS)[number];
}

/** Of `#/devices?find=cold&state=silent`. */
export function readDeviceFilter(query: URLSearchParams): DeviceFilter {
  return {
    find: query.get("find") ?? "",
    site: query.get("site") ?? undefined,
    state: DEVICE_STATES.find((state) => state === query.get("state")),
    sort: DEVICE_SORTS.find((sort) => sort === query.get("sort")) ?? "name",
  };
}

/** What the charts of a device show: a range that ends now, or a span of the past. */
export interface DeviceView {
  readonly range: string | undefined;
  readonly span: Span | undefined;
}

/** Of `#/device/<name>?range=7d` or `?from=<us>&to=<us>`. */
export function readDeviceView(query: URLSearchParams): DeviceView {
  const fromUs = Number(query.get("from") ?? Number.NaN);
  const toUs = Number(query.get("to") ?? Number.NaN);
  return { range: query.get("range") ?? undefined, span: fromUs < toUs ? { fromUs, toUs } : undefined };
}

// Links to screens. The paths are those of the table in `src/screens.tsx`; its test follows each link.

export function deviceHref(device: string, range?: string): string {
  const known = rangeById(range);
  return `#/device/${encodeURIComponent(device)}${known === undefined ? "" : `?range=${known.id}`}`;
}

export function spanHref(device: string, { fromUs, toUs }: Span): string {
  return `#/device/${encodeURIComponent(device)}?from=${fromUs}&to=${toUs}`;
}

export function devicesHref(filter: Partial<DeviceFilter> = {}): string {
  const query = new URLSearchParams();
  if (filter.find !== undefined && filter.find !== "") query.set("find", filter.find);
  if (filter.site !== undefined) query.set("site", filter.site);
  if (filter.state !== undefined) query.set("state", filter.state);
  if (filter.sort !== undefined && filter.sort !== "name") query.set("sort", filter.sort);
  const text = query.toString();
  return `#/devices${text === "" ? "" : `?${text}`}`;
}

export function incidentHref(incident: string): string {
  return `#/alerts/${encodeURIComponent(incident)}`;
}

export function ruleHref(rule: string): string {
  return `#/rules/${encodeURIComponent(rule)}`;
}

export function letterHref(sequence: number): string {
  return `#/dead-letters/${sequence}`;
}

/** The part of the address from its `#`, kept up to date while the page is open. */
export function watchHash(target: Window): ReadonlySignal<string> {
  const hash = signal(target.location.hash);
  target.addEventListener("hashchange", () => {
    hash.value = target.location.hash;
  });
  return hash;
}

/** `?kiosk=1`, before or after the `#`, shows any screen for a wall: larger and read-only. */
export function isKiosk(location: Location): boolean {
  const behind = new URLSearchParams(location.hash.split("?", 2)[1] ?? "");
  return [new URLSearchParams(location.search), behind].some((query) => {
    const value = query.get("kiosk");
    return value !== null && value !== "0";
  });
}

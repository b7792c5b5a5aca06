import { type ReadonlySignal, signal } from "@preact/signals";
import type { Device, Tags } from "../../../domain/reading.ts";
import { rangeById, type Span } from "../lib/ranges.ts";

export const DEVICE_STATES = ["alerting", "silent", "partly-silent", "unwatched", "partly-unwatched", "odd"] as const;
export const DEVICE_SORTS = ["name", "worst", "seen"] as const;

export interface DeviceFilter {
  readonly find: string;
  readonly site: string | undefined;
  readonly state: (typeof DEVICE_STATES)[number] | undefined;
  readonly sort: (typeof DEVICE_SORTS)[number];
  /** Only devices of exactly this name, */
  readonly device: string | undefined;
  /** and only devices with these tags. */
  readonly tags: Tags;
}

/** Of `#/devices?find=cold&state=silent`. */
export function readDeviceFilter(query: URLSearchParams): DeviceFilter {
  return {
    find: query.get("find") ?? "",
    site: query.get("site") ?? undefined,
    state: DEVICE_STATES.find((state) => state === query.get("state")),
    sort: DEVICE_SORTS.find((sort) => sort === query.get("sort")) ?? "name",
    device: query.get("device") ?? undefined,
    tags: readTags(query),
  };
}

const TAG = "tags.";

/** Of `?tags.site=north&tags.line=2`. */
function readTags(query: URLSearchParams): Tags {
  const tags = [...query].filter(([name]) => name.startsWith(TAG));
  return Object.fromEntries(tags.map(([name, value]) => [name.slice(TAG.length), value]));
}

/** Which of the devices of a name, and what its charts show: a range that ends now, or a span of the past. */
export interface DeviceView {
  readonly tags: Tags;
  readonly range: string | undefined;
  readonly span: Span | undefined;
}

/** Of `#/device/<name>?tags.site=north&range=7d`, or with `from=<us>&to=<us>`. */
export function readDeviceView(query: URLSearchParams): DeviceView {
  const fromUs = Number(query.get("from") ?? Number.NaN);
  const toUs = Number(query.get("to") ?? Number.NaN);
  return {
    tags: readTags(query),
    range: query.get("range") ?? undefined,
    span: fromUs < toUs ? { fromUs, toUs } : undefined,
  };
}

// Links to screens. The paths are those of the table in `src/screens.tsx`; its test follows each link.

export function deviceHref(device: Device, range?: string): string {
  const known = rangeById(range);
  return addressOf(device, known === undefined ? {} : { range: known.id });
}

export function spanHref(device: Device, { fromUs, toUs }: Span): string {
  return addressOf(device, { from: String(fromUs), to: String(toUs) });
}

function addressOf({ device, tags }: Device, view: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams();
  addTags(query, tags);
  for (const [name, value] of Object.entries(view)) query.set(name, value);
  return `#/device/${encodeURIComponent(device)}${query.size === 0 ? "" : `?${query}`}`;
}

function addTags(query: URLSearchParams, tags: Tags): void {
  for (const name of Object.keys(tags).sort()) query.set(`${TAG}${name}`, tags[name] ?? "");
}

export function devicesHref(filter: Partial<DeviceFilter> = {}): string {
  const query = new URLSearchParams();
  if (filter.find !== undefined && filter.find !== "") query.set("find", filter.find);
  if (filter.site !== undefined) query.set("site", filter.site);
  if (filter.state !== undefined) query.set("state", filter.state);
  if (filter.sort !== undefined && filter.sort !== "name") query.set("sort", filter.sort);
  if (filter.device !== undefined) query.set("device", filter.device);
  addTags(query, filter.tags ?? {});
  return `#/devices${query.size === 0 ? "" : `?${query}`}`;
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

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { rangeById, type Span } from "../lib/ranges.ts";

export type Route =
  | { readonly screen: "overview" }
  | { readonly screen: "devices"; readonly filter: DeviceFilter }
  | {
      readonly screen: "device";
      readonly device: string;
      readonly range: string | undefined;
      readonly span?: Span | undefined;
    }
  | { readonly screen: "alerts" }
  | { readonly screen: "incident"; readonly incident: string }
  | { readonly screen: "rules" }
  | { readonly screen: "rule"; readonly rule: string }
  | { readonly screen: "pipeline" }
  | { readonly screen: "letter"; readonly sequence: number }
  | { readonly screen: "unknown"; readonly path: string };

export const DEVICE_STATES = ["alerting", "silent", "odd"] as const;
export const DEVICE_SORTS = ["name", "worst", "seen"] as const;

export interface DeviceFilter {
  readonly find: string;
  readonly site: string | undefined;
  readonly state: (typeof DEVICE_STATES)[number] | undefined;
  readonly sort: (typeof DEVICE_SORTS)[number];
}

/** Reads `#/device/<name>?range=7d`. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const parts = path.split("/").filter((part) => part !== "");
  const [screen, encoded] = parts;
  const name = encoded === undefined ? undefined : decode(encoded);
  const asked = new URLSearchParams(query);
  if (screen === undefined) return { screen: "overview" };
  if (parts.length === 1) {
    if (screen === "devices") return { screen, filter: parseDeviceFilter(asked) };
    if (screen === "alerts" || screen === "rules" || screen === "pipeline") return { screen };
  }
  if (parts.length === 2 && name !== undefined) {
    if (screen === "device") return parseDevice(name, asked);
    if (screen === "alerts") return { screen: "incident", incident: name };
    if (screen === "rules") return { screen: "rule", rule: name };
    if (screen === "dead-letters" && /^\d+$/.test(name)) return { screen: "letter", sequence: Number(name) };
  }
  return { screen: "unknown", path };
}

function parseDevice(device: string, asked: URLSearchParams): Route {
  const range = asked.get("range") ?? undefined;
  const [fromUs, toUs] = [Number(asked.get("from") ?? Number.NaN), Number(asked.get("to") ?? Number.NaN)];
  const span = fromUs < toUs ? { fromUs, toUs } : undefined;
  return { screen: "device", device, range, ...(span === undefined ? {} : { span }) };
}

function parseDeviceFilter(asked: URLSearchParams): DeviceFilter {
  return {
    find: asked.get("find") ?? "",
    site: asked.get("site") ?? undefined,
    state: DEVICE_STATES.find((state) => state === asked.get("state")),
    sort: DEVICE_SORTS.find((sort) => sort === asked.get("sort")) ?? "name",
  };
}

export function deviceHref(device: string, range?: string): string {
  const known = rangeById(range);
  return `#/device/${encodeURIComponent(device)}${known === undefined ? "" : `?range=${known.id}`}`;
}

export function spanHref(device: string, { fromUs, toUs }: Span): string {
  return `#/device/${encodeURIComponent(device)}?from=${fromUs}&to=${toUs}`;
}

export function devicesHref(filter: Partial<DeviceFilter> = {}): string {
  const asked = new URLSearchParams();
  if (filter.find !== undefined && filter.find !== "") asked.set("find", filter.find);
  if (filter.site !== undefined) asked.set("site", filter.site);
  if (filter.state !== undefined) asked.set("state", filter.state);
  if (filter.sort !== undefined && filter.sort !== "name") asked.set("sort", filter.sort);
  const text = asked.toString();
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

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** The screen that the address names, as long as the page is open. */
export function watchRoute(target: Window): ReadonlySignal<Route> {
  const hash = signal(target.location.hash);
  target.addEventListener("hashchange", () => {
    hash.value = target.location.hash;
  });
  return computed(() => parseRoute(hash.value));
}

/** `?kiosk=1`, before the `#` or behind it: any screen for a wall, larger and read-only. */
export function isKiosk(location: Location): boolean {
  const behind = new URLSearchParams(location.hash.split("?", 2)[1] ?? "");
  return [new URLSearchParams(location.search), behind].some((asked) => {
    const value = asked.get("kiosk");
    return value !== null && value !== "0";
  });
}

import { computed, type ReadonlySignal, signal } from "@preact/signals";

export type Route =
  | { readonly screen: "overview" }
  | { readonly screen: "device"; readonly device: string; readonly range: string | undefined }
  | { readonly screen: "alerts" }
  | { readonly screen: "unknown"; readonly path: string };

/** Reads `#/device/<name>?range=7d`. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const parts = path.split("/").filter((part) => part !== "");
  const [screen, name] = parts;
  if (screen === undefined) return { screen: "overview" };
  if (screen === "alerts" && parts.length === 1) return { screen: "alerts" };
  if (screen === "device" && name !== undefined && parts.length === 2) {
    const device = decode(name);
    if (device !== undefined) {
      return { screen: "device", device, range: new URLSearchParams(query).get("range") ?? undefined };
    }
  }
  return { screen: "unknown", path };
}

export function deviceHref(device: string, range?: string): string {
  return `#/device/${encodeURIComponent(device)}${range === undefined ? "" : `?range=${encodeURIComponent(range)}`}`;
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

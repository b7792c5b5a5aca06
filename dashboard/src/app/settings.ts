import { type Signal, signal } from "@preact/signals";
import type { Zone } from "../lib/format.ts";

export type Theme = "system" | "light" | "dark";

/** A person's choices in this browser. */
export interface Settings {
  readonly theme: Signal<Theme>;
  readonly zone: Signal<Zone>;
  /** The metric on the device cards. Undefined: the page chooses. */
  readonly metric: Signal<string | undefined>;
  /** The person's name, for acknowledgements and silences. */
  readonly who: Signal<string>;
  setTheme(theme: Theme): void;
  /** System, dark, light, system... */
  nextTheme(): void;
  setZone(zone: Zone): void;
  setMetric(metric: string): void;
  setWho(who: string): void;
}

export function loadSettings(storage: Storage | undefined, root: HTMLElement): Settings {
  const savedTheme = read(storage, "weir.theme");
  const theme = signal<Theme>(savedTheme === "light" || savedTheme === "dark" ? savedTheme : "system");
  const zone = signal<Zone>(read(storage, "weir.zone") === "utc" ? "utc" : "local");
  const metric = signal(read(storage, "weir.metric"));
  const who = signal(read(storage, "weir.who") ?? "");
  function setTheme(next: Theme): void {
    theme.value = next;
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    write(storage, "weir.theme", next);
  }
  return {
    theme,
    zone,
    metric,
    who,
    setTheme,
    nextTheme: () => setTheme(themeAfter(theme.peek())),
    setZone(next) {
      zone.value = next;
      write(storage, "weir.zone", next);
    },
    setMetric(next) {
      metric.value = next;
      write(storage, "weir.metric", next);
    },
    setWho(next) {
      who.value = next;
      write(storage, "weir.who", next);
    },
  };
}

export function themeAfter(theme: Theme): Theme {
  return theme === "system" ? "dark" : theme === "dark" ? "light" : "system";
}

/** A browser may forbid storage. The choice then lasts as long as the page. */
function read(storage: Storage | undefined, name: string): string | undefined {
  try {
    return storage?.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(storage: Storage | undefined, name: string, value: string): void {
  try {
    storage?.setItem(name, value);
  } catch {
    // As in `read`.
  }
}

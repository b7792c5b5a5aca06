import { type ReadonlySignal, signal } from "@preact/signals";
import type { Acknowledgement, NewSilence, OpenAlert, Silence } from "../../../contracts/notifications.ts";

/** Acknowledgements and silences, which the notifier keeps. */
export interface AttentionStore {
  readonly byIncident: ReadonlySignal<ReadonlyMap<string, OpenAlert>>;
  readonly silences: ReadonlySignal<readonly Silence[]>;
  /** Whether somebody has acknowledged an open incident. */
  isAcknowledged(incident: string): boolean;
  /** `unavailable`: no notifier answers. */
  readonly state: ReadonlySignal<"unknown" | "loaded" | "unavailable">;
  refresh(): Promise<void>;
  /** Rejects with the gateway's error, like the next two. */
  acknowledge(incident: string, order: { readonly by: string; readonly note: string }): Promise<void>;
  silence(silence: NewSilence): Promise<void>;
  endSilence(id: string, by: string): Promise<void>;
}

interface NotifierApi {
  openAlerts(): Promise<readonly OpenAlert[]>;
  silences(): Promise<readonly Silence[]>;
  acknowledge(incident: string, order: { readonly by: string; readonly note: string }): Promise<Acknowledgement>;
  addSilence(silence: NewSilence): Promise<Silence>;
  removeSilence(id: string, by: string): Promise<unknown>;
}

export function createAttention(api: NotifierApi): AttentionStore {
  const byIncident = signal<ReadonlyMap<string, OpenAlert>>(new Map());
  const silences = signal<readonly Silence[]>([]);
  const state = signal<"unknown" | "loaded" | "unavailable">("unknown");
  let known = "";

  async function refresh(): Promise<void> {
    const [open, quiet] = await Promise.allSettled([api.openAlerts(), api.silences()]);
    // A token for some sites may see open alerts, but no silences.
    if (open.status === "rejected") {
      if (state.peek() === "unknown") state.value = "unavailable";
      return;
    }
    const next = quiet.status === "fulfilled" ? quiet.value : silences.peek();
    const text = JSON.stringify([open.value, next]);
    state.value = "loaded";
    if (text === known) return;
    known = text;
    byIncident.value = new Map(open.value.map((alert) => [alert.incident, alert]));
    silences.value = next;
  }

  return {
    byIncident,
    silences,
    isAcknowledged: (incident) => byIncident.value.get(incident)?.acknowledgement !== undefined,
    state,
    refresh,
    async acknowledge(incident, order) {
      await api.acknowledge(incident, order);
      await refresh();
    },
    async silence(silence) {
      await api.addSilence(silence);
      await refresh();
    },
    async endSilence(id, by) {
      await api.removeSilence(id, by);
      await refresh();
    },
  };
}

import type { StreamName } from "../../domain/subjects.ts";
import type { Log } from "../../platform/log/port.ts";
import { publishRaw } from "../../platform/log/testing/raw-bus.ts";
import { alertChange, appendAlert, appendReadings, appendWindows, reading, windowResult } from "./test-kit.ts";

export interface Change {
  /** Where the change happens. A changed item has this name as its `label`. */
  readonly name: string;
  /** Greater for later changes. */
  readonly n: number;
  /** Makes the item longer by this much. */
  readonly pad?: string;
}

export interface ChannelSource {
  readonly label: string;
  /** Makes one change that every channel of this source shows. */
  change(log: Log, change: Change): Promise<unknown>;
}

/** How to change what a channel shows, for each stream or "bus" that feeds it. Used by the suite over all channels. */
export const CHANNEL_SOURCES: Readonly<Partial<Record<StreamName | "bus", ChannelSource>>> = {
  READINGS: {
    label: "site",
    change: (log, { name, n, pad = "" }) =>
      appendReadings(log, [reading({ atUs: n, device: name, value: n, tags: { site: name, pad } })]),
  },
  WINDOWS: {
    label: "site",
    change: (log, { name, n, pad = "" }) =>
      appendWindows(log, { lastInput: n }, [
        windowResult({ startUs: 0, revision: n, labels: { device: name, site: name, pad } }),
      ]),
  },
  ALERTS: {
    label: "site",
    change: (log, { name, pad = "" }) =>
      appendAlert(
        log,
        alertChange({
          incident: `incident-${name}`,
          key: { device: name },
          labels: { device: name, site: name },
          annotations: { pad },
        }),
      ),
  },
  bus: {
    label: "instance",
    async change(log, { name, n, pad = "" }) {
      const metric = { name: `weir_up${pad}`, help: "", type: "gauge", values: [{ value: n, labels: {} }] };
      publishRaw(log.bus, "stats", name, { instance: name, atUs: n, metrics: [metric] });
    },
  },
};

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { usePage } from "../app/page.ts";
import { AlertPanel } from "../components/alert-list.tsx";
import { DeviceCard } from "../components/device-card.tsx";
import { Search } from "../components/icons.tsx";
import { Pipeline } from "../components/pipeline.tsx";
import { plural } from "../lib/format.ts";
import { matches } from "../lib/match.ts";
import type { RuleView } from "../lib/rules.ts";
import { rankOf } from "../store/alerts.ts";
import { DEVICES_MAX, type DeviceEntry, type MetricCount } from "../store/devices.ts";

/** With fewer devices per site, headings would take more room than the devices. */
const DEVICES_PER_SITE_MIN = 6;

export function OverviewScreen(): JSX.Element {
  return (
    <div class="overview">
      <Headline />
      <Pipeline />
      <div class="columns">
        <Devices />
        <AlertPanel />
      </div>
    </div>
  );
}

/** The state of everything in one line that can be read from across a room. */
function Headline(): JSX.Element {
  const { alerts, devices, notReady } = usePage();
  const { critical, warning, info } = alerts.firing.value;
  const count = devices.list.value.length;
  const loaded = devices.loaded.value && alerts.loaded.value;
  const state = critical > 0 ? "critical" : warning > 0 ? "warning" : "calm";
  const pending = alerts.pending.value;
  return (
    <div class="headline" data-state={state}>
      <h1>{loaded ? headlineWords(count, critical, warning, info) : "Connecting"}</h1>
      <p>
        {loaded
          ? `${plural(count, "device")}${pending > 0 ? ` · ${plural(pending, "alert")} pending` : ""}`
          : "Asking the gateway for its devices and alerts"}
        {notReady.value !== undefined && <span class="not-ready"> · Not ready: {notReady.value}</span>}
      </p>
    </div>
  );
}

function headlineWords(devices: number, critical: number, warning: number, info: number): string {
  if (critical > 0)
    return `${plural(critical, "critical alert")}${warning > 0 ? `, ${plural(warning, "warning")}` : ""}`;
  if (warning > 0) return plural(warning, "warning");
  if (info > 0) return `All well, ${plural(info, "notice")}`;
  return devices === 0 ? "Ready for readings" : "All well";
}

function Devices(): JSX.Element {
  const { devices, rules, settings } = usePage();
  const query = useSignal("");
  const list = devices.list.value;
  const metrics = devices.metrics.value;
  const chosen = settings.metric.value;
  const metric = metrics.some((one) => one.metric === chosen) ? chosen : defaultMetric(metrics, rules.value);
  const text = query.value.trim().toLowerCase();
  const found = text === "" ? list : list.filter((entry) => isFound(entry, text));
  const overflow = devices.overflow.value;

  return (
    <section class="devices" aria-labelledby="devices-title">
      <div class="panel-head">
        <h2 id="devices-title">Devices</h2>
        <span class="count">{found.length === list.length ? list.length : `${found.length} of ${list.length}`}</span>
        <label class="field search">
          <Search />
          <span class="visually-hidden">Find devices</span>
          <input
            type="search"
            placeholder="Find devices"
            value={query.value}
            onInput={(event) => {
              query.value = event.currentTarget.value;
            }}
          />
        </label>
        <label class="field">
          <span class="field-label">Show</span>
          <select value={metric} onChange={(event) => settings.setMetric(event.currentTarget.value)}>
            {metrics.map(({ metric: name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      {list.length === 0 ? <NoDevices /> : <Grid entries={found} metric={metric} />}
      {list.length > 0 && found.length === 0 && <p class="quiet">No device matches “{query.value}”.</p>}
      {overflow > 0 && (
        <p class="quiet">
          This page shows the first {plural(DEVICES_MAX, "device")}; {plural(overflow, "more device")} send readings.
        </p>
      )}
    </section>
  );
}

/** By site, where sites hold several devices; else in one grid with the site on each card. */
function Grid(props: { readonly entries: readonly DeviceEntry[]; readonly metric: string | undefined }): JSX.Element {
  const { entries, metric } = props;
  const sites = groupBySite(entries);
  const grouped = sites.size > 1 && sites.size * DEVICES_PER_SITE_MIN <= entries.length;
  if (!grouped) {
    return (
      <div class="grid">
        {entries.map((entry) => (
          <DeviceCard
            key={entry.name}
            entry={entry}
            metric={metric}
            site={sites.size > 1 ? siteOf(entry) : undefined}
          />
        ))}
      </div>
    );
  }
  return (
    <>
      {[...sites].map(([site, members]) => (
        <section key={site} class="site">
          <h3 class="site-name">
            {site === "" ? "No site" : site} <span class="count">{members.length}</span>
          </h3>
          <div class="grid">
            {members.map((entry) => (
              <DeviceCard key={entry.name} entry={entry} metric={metric} site={undefined} />
            ))}
          </div>
        </section>
      ))}
    </>
  );
}

function NoDevices(): JSX.Element {
  const { devices } = usePage();
  if (!devices.loaded.value) return <div class="grid grid-waiting" aria-hidden="true" />;
  return (
    <div class="empty">
      <h3>No readings yet</h3>
      <p>
        Point a device at <code>mqtt://{location.hostname}:1883</code>, or run <code>weir simulate</code>.
      </p>
      <p class="empty-more">
        It may publish, for example, <code>{'{"temperature": 21.5}'}</code> to{" "}
        <code>sensors/north/cold-1/telemetry</code>.
      </p>
    </div>
  );
}

function isFound(entry: DeviceEntry, text: string): boolean {
  if (entry.name.toLowerCase().includes(text)) return true;
  return Object.values(entry.item.peek().tags).some((tag) => tag.toLowerCase().includes(text));
}

function siteOf(entry: DeviceEntry): string | undefined {
  return entry.item.peek().tags.site;
}

function groupBySite(entries: readonly DeviceEntry[]): ReadonlyMap<string, readonly DeviceEntry[]> {
  const sites = new Map<string, DeviceEntry[]>();
  for (const entry of entries) {
    const site = siteOf(entry) ?? "";
    const members = sites.get(site);
    if (members === undefined) sites.set(site, [entry]);
    else members.push(entry);
  }
  return sites;
}

/** What a rule watches is what people look for first. */
function defaultMetric(metrics: readonly MetricCount[], rules: readonly RuleView[]): string | undefined {
  const most = metrics.filter(({ devices }) => devices === metrics[0]?.devices);
  const alerting = rules.filter((rule) => rule.when !== "").toSorted((a, b) => rankOf(b.severity) - rankOf(a.severity));
  for (const rule of alerting) {
    const pattern = rule.where.metric;
    const found = pattern === undefined ? undefined : most.find(({ metric }) => matches(pattern, metric));
    if (found !== undefined) return found.metric;
  }
  return most[0]?.metric;
}

import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { partsOf } from "../app/api.ts";
import { usePage } from "../app/page.ts";
import { devicesHref } from "../app/route.ts";
import { AlertPanel } from "../components/alert-list.tsx";
import { DeviceCard } from "../components/device-card.tsx";
import { HealthPanel } from "../components/health-panel.tsx";
import { Pipeline } from "../components/pipeline.tsx";
import { Sites } from "../components/sites.tsx";
import { plural } from "../lib/format.ts";
import { matches } from "../lib/match.ts";
import type { RuleView } from "../lib/rules.ts";
import { rankOf } from "../store/alerts.ts";
import type { DeviceEntry, MetricCount } from "../store/devices.ts";

/** More cards are hard to read at a glance. The sites sum up all devices, and the list has them all. */
const CARDS_MAX = 48;

export function OverviewScreen(): JSX.Element {
  const { kiosk } = usePage();
  return (
    <div class="overview">
      <Headline />
      <Pipeline />
      <div class="columns">
        <div>
          <Sites />
          <Devices />
        </div>
        <div class="side">
          <AlertPanel />
          {!kiosk && <HealthPanel />}
        </div>
      </div>
    </div>
  );
}

/** The state of everything in one line, readable from across a room. */
function Headline(): JSX.Element {
  const { alerts, devices, readiness } = usePage();
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
          : "Loading devices and alerts"}
        <NotReady
          words={(readiness.value === undefined ? [] : partsOf(readiness.value))
            .filter(({ ready }) => !ready)
            .map(({ name, detail }) => `${name}: ${detail}`)}
        />
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

function NotReady({ words }: { readonly words: readonly string[] }): JSX.Element | null {
  if (words.length === 0) return null;
  return <span class="not-ready"> · Not ready: {words.slice(0, 3).join("; ")}</span>;
}

function Devices(): JSX.Element {
  const { devices, rules, settings, kiosk } = usePage();
  const list = devices.list.value;
  const metrics = devices.metrics.value;
  const chosen = settings.metric.value;
  const metric = metrics.some((one) => one.metric === chosen) ? chosen : defaultMetric(metrics, rules.value);
  const several = useComputed(() => new Set(devices.list.value.map(siteOf)).size > 1).value;
  return (
    <section class="devices" aria-labelledby="devices-title">
      <div class="panel-head">
        <h2 id="devices-title">Devices</h2>
        <span class="count">{list.length}</span>
        {!kiosk && metrics.length > 0 && (
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
        )}
        <a class="panel-link" href={devicesHref()}>
          All devices
        </a>
      </div>
      {list.length === 0 ? (
        <NoDevices />
      ) : (
        <div class="grid">
          {list.slice(0, CARDS_MAX).map((entry) => (
            <DeviceCard key={entry.id} entry={entry} metric={metric} site={several ? siteOf(entry) : undefined} />
          ))}
        </div>
      )}
      {list.length > CARDS_MAX && (
        <a class="more" href={devicesHref()}>
          {plural(list.length - CARDS_MAX, "more device")}
        </a>
      )}
    </section>
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
        For example, publish <code>{'{"temperature": 21.5}'}</code> to <code>sensors/north/cold-1/telemetry</code>.
      </p>
    </div>
  );
}

function siteOf(entry: DeviceEntry): string | undefined {
  return entry.item.peek().tags.site;
}

/** The metric of the most severe rule, among those that most devices have. */
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

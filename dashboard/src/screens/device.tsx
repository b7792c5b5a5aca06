import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { AlertChange } from "../../../domain/alert.ts";
import { usePage } from "../app/page.ts";
import { deviceHref } from "../app/route.ts";
import { MetricChart } from "../charts/metric-chart.tsx";
import { AlertRow } from "../components/alert-row.tsx";
import { ArrowLeft, SeverityIcon } from "../components/icons.tsx";
import { WordCard } from "../components/word-card.tsx";
import { formatInstant, formatTime, zoneName } from "../lib/format.ts";
import { matches } from "../lib/match.ts";
import { RANGES, type Range, rangeById } from "../lib/ranges.ts";
import { covers, type RuleView } from "../lib/rules.ts";
import { alertSpans } from "../lib/spans.ts";
import { deviceOf, rankOf } from "../store/alerts.ts";
import type { DeviceDetail, MetricTrack, WindowTrack } from "../store/device-detail.ts";

const ALERTS_SHOWN = 6;

export function DeviceScreen(props: { readonly device: string; readonly range: string | undefined }): JSX.Element {
  const { device } = props;
  const page = usePage();
  const [detail, setDetail] = useState<DeviceDetail | undefined>(undefined);
  useEffect(() => {
    const opened = page.openDevice(device, rangeById(props.range));
    setDetail(opened);
    return () => opened.close();
  }, [page, device]);
  return (
    <div class="device">
      <a class="back" href="#/">
        <ArrowLeft />
        Overview
      </a>
      <DeviceHead device={device} detail={detail} />
      {detail !== undefined && <Charts device={device} detail={detail} />}
    </div>
  );
}

function DeviceHead({
  device,
  detail,
}: {
  readonly device: string;
  readonly detail: DeviceDetail | undefined;
}): JSX.Element {
  const page = usePage();
  const zone = page.settings.zone.value;
  // The list tells when the device joins; its own signal tells the rest.
  const known = useComputed(() => {
    page.devices.list.value;
    return page.devices.get(device);
  }).value;
  const item = known?.item.value;
  const newestUs = detail?.newestUs.value ?? -Infinity;
  return (
    <div class="device-head">
      <div>
        <h1>{device}</h1>
        <p class="device-tags">
          {Object.entries(item?.tags ?? {}).map(([name, value]) => (
            <span key={name} class="tag">
              <span class="tag-name">{name}</span> {value}
            </span>
          ))}
          {item !== undefined && <span>last heard {formatTime(item.lastSeenUs, zone)}</span>}
          {newestUs > 0 && (
            <span>
              newest reading {formatInstant(newestUs, zone)}, {zoneName(zone, newestUs)}
            </span>
          )}
          {item === undefined && <span>No readings of this device yet</span>}
        </p>
      </div>
      {detail !== undefined && <RangeButtons device={device} detail={detail} />}
    </div>
  );
}

function RangeButtons({ device, detail }: { readonly device: string; readonly detail: DeviceDetail }): JSX.Element {
  const chosen = detail.range.value;
  function choose(range: Range): void {
    detail.chooseRange(range);
    history.replaceState(null, "", deviceHref(device, range.id));
  }
  return (
    <fieldset class="ranges">
      <legend class="visually-hidden">Time range</legend>
      {RANGES.map((range) => (
        <button key={range.id} type="button" aria-pressed={chosen?.id === range.id} onClick={() => choose(range)}>
          {range.label}
        </button>
      ))}
    </fieldset>
  );
}

function Charts({ device, detail }: { readonly device: string; readonly detail: DeviceDetail }): JSX.Element {
  const { alerts, rules, settings, devices } = usePage();
  const hidden = useSignal<ReadonlySet<string>>(new Set());
  const metrics = detail.metrics.value;
  const open = alerts.byDevice.value.get(device) ?? [];
  const changes = alerts.changes.value;
  const tags = devices.get(device)?.item.peek().tags ?? {};
  const own = useMemo(() => changes.filter((change) => deviceOf(change) === device), [changes, device]);
  const toUs = detail.newestUs.value;
  const range = detail.range.value;
  const windowsVersion = detail.windowsVersion.value;
  const windowTracks = useMemo(() => [...detail.windows()], [windowsVersion, detail]);
  const rulesByMetric = useMemo(
    () =>
      new Map(metrics.map(({ metric }) => [metric, rules.value.filter((rule) => covers(rule, device, tags, metric))])),
    [metrics, rules.value, device],
  );
  const spansByMetric = useMemo(
    () =>
      new Map(
        metrics.map(({ metric }) => [metric, alertSpans(own.filter((change) => isAbout(change, metric, rules.value)))]),
      ),
    [own, metrics, rules.value],
  );

  if (metrics.length === 0) return <p class="quiet device-waiting">Waiting for readings of {device}</p>;
  // Watched metrics come first, the worst before: they are why people look.
  const sorted = metrics.toSorted((a, b) => watched(rulesByMetric, b) - watched(rulesByMetric, a));
  const shown = sorted.filter(({ metric }) => !hidden.value.has(metric));
  const words = shown.filter(({ kind }) => kind === "word");
  const numbers = shown.filter(({ kind }) => kind === "number");
  return (
    <>
      <ul class="alert-list device-alerts" aria-label="Open alerts of this device">
        {open.slice(0, ALERTS_SHOWN).map((change) => (
          <li key={change.incident}>
            <AlertRow change={change} />
          </li>
        ))}
        {open.length === 0 && (
          <li class="quiet">
            <SeverityIcon severity="info" state="resolved" />
            No alert is open for this device.
          </li>
        )}
      </ul>
      <MetricToggles metrics={sorted} hidden={hidden.value} onChange={(next) => (hidden.value = next)} />
      {detail.historyState.value === "unavailable" && (
        <p class="quiet">The past of this device cannot be read now. Charts begin with the readings that come in.</p>
      )}
      <div class="words">
        {words.map((track) => (
          <WordCard key={track.metric} track={track} zone={settings.zone.value} />
        ))}
      </div>
      <div class="charts">
        {range !== undefined &&
          numbers.map((track) => (
            <MetricChart
              key={track.metric}
              track={track}
              fromUs={toUs - range.us}
              toUs={toUs}
              zone={settings.zone.value}
              rules={rulesByMetric.get(track.metric) ?? NO_RULES}
              spans={spansByMetric.get(track.metric) ?? []}
              windows={windowsOf(windowTracks, track, rulesByMetric)}
              windowsVersion={windowsVersion}
            />
          ))}
      </div>
    </>
  );
}

const NO_RULES: readonly RuleView[] = [];

function MetricToggles(props: {
  readonly metrics: readonly MetricTrack[];
  readonly hidden: ReadonlySet<string>;
  onChange(hidden: ReadonlySet<string>): void;
}): JSX.Element {
  const { metrics, hidden, onChange } = props;
  function toggle(metric: string): void {
    const next = new Set(hidden);
    if (!next.delete(metric)) next.add(metric);
    onChange(next);
  }
  return (
    <fieldset class="toggles">
      <legend class="visually-hidden">Metrics shown</legend>
      {metrics.map(({ metric }) => (
        <button key={metric} type="button" aria-pressed={!hidden.has(metric)} onClick={() => toggle(metric)}>
          {metric}
        </button>
      ))}
    </fieldset>
  );
}

/** How bad an alert of this metric would be; 0 when no rule watches it. */
function watched(rules: ReadonlyMap<string, readonly RuleView[]>, track: MetricTrack): number {
  const alerting = (rules.get(track.metric) ?? NO_RULES).filter((rule) => rule.when !== "");
  return Math.max(0, ...alerting.map((rule) => rankOf(rule.severity) + 1));
}

/** Whether an alert of this device came from this metric. */
function isAbout(change: AlertChange, metric: string, rules: readonly RuleView[]): boolean {
  const named = change.key.metric ?? change.labels.metric;
  if (named !== undefined) return named === metric;
  const pattern = rules.find((rule) => rule.id === change.rule)?.where.metric;
  return pattern !== undefined && matches(pattern, metric);
}

function windowsOf(
  tracks: readonly WindowTrack[],
  track: MetricTrack,
  rules: ReadonlyMap<string, readonly RuleView[]>,
): readonly WindowTrack[] {
  const covering = rules.get(track.metric) ?? NO_RULES;
  return tracks.filter(
    (windows) =>
      windows.metric === track.metric ||
      (windows.metric === undefined && covering.some((rule) => rule.id === windows.rule)),
  );
}

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { AlertChange } from "../../../domain/alert.ts";
import type { Device } from "../../../domain/reading.ts";
import { usePage } from "../app/page.ts";
import { MetricChart } from "../charts/metric-chart.tsx";
import { matches } from "../lib/match.ts";
import type { Span } from "../lib/ranges.ts";
import { type RuleView, viewsOf } from "../lib/rules.ts";
import { type AlertSpan, alertSpans } from "../lib/spans.ts";
import { isAboutDevice, openAlertsOf, rankOf } from "../store/alerts.ts";
import type { DeviceDetail } from "../store/device-detail.ts";
import type { MetricTrack } from "../store/metric-track.ts";
import type { WindowTrack } from "../store/window-track.ts";
import { AlertRow } from "./alert-row.tsx";
import { SeverityIcon } from "./icons.tsx";
import { WordCard } from "./word-card.tsx";

const ALERTS_SHOWN = 6;

/** The alerts, the metrics and the charts of one device. */
export function DeviceCharts(props: { readonly detail: DeviceDetail; onSpan(span: Span): void }): JSX.Element {
  const { detail, onSpan } = props;
  const { device } = detail;
  const { alerts, settings } = usePage();
  const hidden = useSignal<ReadonlySet<string>>(new Set());
  const metrics = detail.metrics.value;
  const open = openAlertsOf(alerts.byDevice.value, device);
  const { rulesByMetric, spansByMetric } = useRulesAndAlerts(device, metrics);
  const windowTracks = detail.windows.value;
  const windowsByMetric = useMemo(
    () => new Map(metrics.map((track) => [track.metric, windowsOf(windowTracks, track, rulesByMetric)])),
    [metrics, windowTracks, rulesByMetric],
  );
  const span = detail.span.value;
  const rangeUs = detail.range.value?.us;
  const zone = settings.zone.value;

  // Metrics with rules come first, by severity, because they are why people open this screen.
  const sorted = metrics.toSorted((a, b) => watched(rulesByMetric, b) - watched(rulesByMetric, a));
  useEffect(() => detail.arrange(sorted));
  const shown = sorted.filter(({ metric }) => !hidden.value.has(metric));
  // Equal elements are not rendered again, because alerts of other devices change every second.
  const charts = useMemo(
    () =>
      (rangeUs !== undefined || span !== undefined) &&
      shown
        .filter(({ kind }) => kind === "number")
        .map((track) => (
          <MetricChart
            key={track.metric}
            detail={detail}
            track={track}
            rangeUs={rangeUs ?? 0}
            span={span}
            zone={zone}
            rules={rulesByMetric.get(track.metric) ?? NO_RULES}
            spans={spansByMetric.get(track.metric) ?? NO_SPANS}
            windows={windowsByMetric.get(track.metric) ?? NO_WINDOWS}
            onSelect={onSpan}
          />
        )),
    [metrics, hidden.value, detail, rangeUs, span, zone, rulesByMetric, spansByMetric, windowsByMetric, onSpan],
  );

  if (metrics.length === 0) return <p class="quiet device-waiting">Waiting for readings of {device.device}</p>;
  return (
    <>
      <OpenAlerts open={open} />
      <MetricToggles metrics={sorted} hidden={hidden.value} onChange={(next) => (hidden.value = next)} />
      {detail.historyState.value === "unavailable" && (
        <p class="quiet">Past readings are not available now. The charts start with live readings.</p>
      )}
      <div class="words">
        {shown
          .filter(({ kind }) => kind === "word")
          .map((track) => (
            <WordCard key={track.metric} detail={detail} track={track} rangeUs={rangeUs ?? 0} span={span} zone={zone} />
          ))}
      </div>
      <div class="charts">{charts}</div>
    </>
  );
}

const NO_RULES: readonly RuleView[] = [];
const NO_SPANS: readonly AlertSpan[] = [];
const NO_WINDOWS: readonly WindowTrack[] = [];

/** The rules and the alerts of each metric. */
function useRulesAndAlerts(device: Device, metrics: readonly MetricTrack[]) {
  const { alerts, rules } = usePage();
  const changes = alerts.changes.value;
  const own = useMemo(() => changes.filter((change) => isAboutDevice(change, device)), [changes, device]);
  // The charts do not change while this device's alerts are equal.
  const ownIds = own.map(({ id }) => id).join();
  const rulesByMetric = useMemo(() => {
    return new Map(metrics.map(({ metric }) => [metric, viewsOf(rules.value, { ...device, metric })]));
  }, [metrics, rules.value, device]);
  const spansByMetric = useMemo(
    () =>
      new Map(
        metrics.map(({ metric }) => [metric, alertSpans(own.filter((change) => isAbout(change, metric, rules.value)))]),
      ),
    [ownIds, metrics, rules.value],
  );
  return { rulesByMetric, spansByMetric };
}

function OpenAlerts({ open }: { readonly open: readonly AlertChange[] }): JSX.Element {
  return (
    <ul class="alert-list device-alerts" aria-label="Open alerts of this device">
      {open.slice(0, ALERTS_SHOWN).map((change) => (
        <li key={change.incident}>
          <AlertRow change={change} />
        </li>
      ))}
      {open.length === 0 && (
        <li class="quiet">
          <SeverityIcon severity="info" state="resolved" />
          No open alerts for this device.
        </li>
      )}
    </ul>
  );
}

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

/** The rank of the worst alert that this metric can cause; 0 without a rule. */
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

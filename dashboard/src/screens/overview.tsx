import { useComputed, useSignal } from "@preact/signals";
import type { JSX, RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { usePage } from "../app/page.ts";
import { devicesHref } from "../app/route.ts";
import { AlertPanel } from "../components/alert-list.tsx";
import { DeviceCard } from "../components/device-card.tsx";
import { Headline } from "../components/headline.tsx";
import { HealthPanel } from "../components/health-panel.tsx";
import { GotIt, NoDevices } from "../components/no-devices.tsx";
import { Pipeline } from "../components/pipeline.tsx";
import { Sites } from "../components/sites.tsx";
import { formatCount, plural } from "../lib/format.ts";
import { matches } from "../lib/match.ts";
import type { RuleView } from "../lib/rules.ts";
import { rankOf } from "../store/alerts.ts";
import { byAttention } from "../store/attention-order.ts";
import type { DeviceEntry, MetricCount } from "../store/devices.ts";

/** More cards are hard to read at a glance. The sites sum up all devices, and the list has them all. */
const CARDS_MAX = 48;
const AGAIN_US = 5_000_000;
/** A wall keeps this much below the cards, for the number of the others. */
const REST_PX = 72;
const WALL_ROWS_MIN = 1;

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

function Devices(): JSX.Element {
  const { devices, rules, settings, kiosk } = usePage();
  const list = useShown();
  const grid = useRef<HTMLDivElement>(null);
  const shown = useCardsShown(grid, list.length > 0);
  const metrics = devices.metrics.value;
  const chosen = settings.metric.value;
  const metric = metrics.some((one) => one.metric === chosen) ? chosen : defaultMetric(metrics, rules.value);
  const several = useComputed(() => new Set(devices.list.value.map(siteOf)).size > 1).value;
  return (
    <section class="devices" aria-labelledby="devices-title">
      <div class="panel-head">
        <h2 id="devices-title">Devices</h2>
        <span class="count">{formatCount(list.length)}</span>
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
      <GotIt />
      {list.length === 0 ? (
        <NoDevices />
      ) : (
        <div class="grid" ref={grid}>
          {list.slice(0, shown).map((entry) => (
            <DeviceCard key={entry.id} entry={entry} metric={metric} site={several ? siteOf(entry) : undefined} />
          ))}
        </div>
      )}
      {list.length > shown && <RestLink words={plural(list.length - shown, "more device")} />}
    </section>
  );
}

function RestLink({ words }: { readonly words: string }): JSX.Element {
  const { kiosk } = usePage();
  if (kiosk) return <p class="rest">{words}</p>;
  return (
    <a class="more" href={devicesHref()}>
      {words}
    </a>
  );
}

/** Not all fit: those that need attention come first. A wall also shows few devices by attention. */
function useShown(): readonly DeviceEntry[] {
  const { devices, alerts, asOfUs, kiosk } = usePage();
  const list = devices.list.value;
  const isSorted = kiosk || list.length > CARDS_MAX;
  const again = useComputed(() => Math.floor(asOfUs.value / AGAIN_US)).value;
  const byDevice = isSorted ? alerts.byDevice.value : undefined;
  return useMemo(
    () => (byDevice === undefined ? list : byAttention(list, byDevice, asOfUs.peek())),
    [list, byDevice, isSorted && again],
  );
}

/** On a wall, the cards that fit its height: nobody scrolls there. */
function useCardsShown(grid: RefObject<HTMLElement>, hasCards: boolean): number {
  const { kiosk } = usePage();
  const fitting = useSignal(CARDS_MAX);
  useLayoutEffect(() => {
    const element = grid.current;
    if (!kiosk || element === null) return;
    const update = () => (fitting.value = cardsThatFit(element));
    update();
    const observer = new ResizeObserver(update);
    observer.observe(document.documentElement);
    addEventListener("resize", update);
    return () => {
      observer.disconnect();
      removeEventListener("resize", update);
    };
  }, [kiosk, hasCards]);
  return fitting.value;
}

function cardsThatFit(grid: HTMLElement): number {
  const style = getComputedStyle(grid);
  const columns = style.gridTemplateColumns.split(" ").length;
  const cardHeight = grid.firstElementChild?.getBoundingClientRect().height ?? 0;
  const gap = Number.parseFloat(style.rowGap) || 0;
  const height = innerHeight - (grid.getBoundingClientRect().top + scrollY) - REST_PX;
  const rows = Math.floor((height + gap) / (cardHeight + gap));
  return Math.min(CARDS_MAX, columns * Math.max(WALL_ROWS_MIN, rows));
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

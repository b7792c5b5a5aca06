import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { DeviceItem } from "../../../contracts/feed/protocol.ts";
import type { AlertChange } from "../../../domain/alert.ts";
import { usePage } from "../app/page.ts";
import { deviceHref } from "../app/route.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { formatAge, formatCount, formatValue, plural } from "../lib/format.ts";
import { isSilent } from "../lib/silence.ts";
import type { DeviceEntry } from "../store/devices.ts";
import { SeverityIcon } from "./icons.tsx";

const VALUES_SHOWN = 4;
const NARROW_PX = 640;

export function rowHeightFor(widthPx: number): number {
  return widthPx <= NARROW_PX ? 92 : 64;
}

/** One device in one line: its worst alert, values, age and irregular readings. */
export function DeviceRow(props: {
  readonly entry: DeviceEntry;
  readonly worst: AlertChange | undefined;
}): JSX.Element {
  const { entry, worst } = props;
  const { backfill, settings } = usePage();
  const item = entry.item.value;
  const chosen = settings.metric.value;
  const names = Object.keys(item.metrics);
  const first = chosen !== undefined && names.includes(chosen) ? chosen : firstNumber(item);
  const newestUs = first === undefined ? undefined : item.metrics[first]?.atUs;
  useEffect(() => {
    if (first !== undefined && newestUs !== undefined) backfill.want(entry, first, newestUs);
  }, [backfill, entry, first, newestUs]);
  const shown = first === undefined ? names : [first, ...names.filter((name) => name !== first)];
  return (
    <a
      class="device-row"
      href={deviceHref(item)}
      data-row
      data-device={entry.name}
      data-severity={worst?.severity}
      data-state={worst?.state}
    >
      <span class="device-row-state">
        {worst !== undefined && <SeverityIcon severity={worst.severity} state={worst.state} />}
      </span>
      <span class="device-row-name">
        <span class="card-name">{entry.name}</span>
        <span class="device-row-site">{entry.apart.value || (item.tags.site ?? "")}</span>
      </span>
      <span class="device-row-values">
        {shown.slice(0, VALUES_SHOWN).map((name) => (
          <span key={name} class="device-row-value">
            <span class="card-other-name">{name}</span>
            <span class="device-row-number">{formatValue(item.metrics[name]?.value)}</span>
          </span>
        ))}
      </span>
      <Sparkline points={first === undefined ? undefined : entry.sparks.get(first)} newest={newestUs ?? 0} />
      <LastSeen item={item} />
    </a>
  );
}

function LastSeen({ item }: { readonly item: DeviceItem }): JSX.Element {
  const { nowUs } = usePage();
  const words = useComputed(() => {
    const ageUs = nowUs.value - item.lastSeenUs;
    // In steps of ten seconds, so that rows do not change every second.
    return ageUs < 10_000_000 ? "just now" : `${formatAge(Math.floor(ageUs / 10_000_000) * 10_000_000)} ago`;
  }).value;
  const silent = useComputed(() => isSilent(item, nowUs.value)).value;
  return (
    <span class="device-row-heard">
      <span class={silent ? "note-warning" : ""}>{silent ? `silent, ${words}` : words}</span>
      <span class="device-row-note">{oddities(item)[0] ?? `${formatCount(item.readings)} readings`}</span>
    </span>
  );
}

/** Its irregular readings in words, the worst first. */
export function oddities(item: DeviceItem): readonly string[] {
  const { lateDropped = 0, clockAhead, lateApplied = 0, duplicates = 0 } = item;
  return [
    lateDropped > 0 ? `${formatCount(lateDropped)} dropped as late` : "",
    clockAhead > 0 ? `${formatCount(clockAhead)} with the clock ahead` : "",
    lateApplied > 0 ? `${formatCount(lateApplied)} late` : "",
    duplicates > 0 ? plural(duplicates, "duplicate") : "",
  ].filter((words) => words !== "");
}

function firstNumber(item: DeviceItem): string | undefined {
  return Object.entries(item.metrics).find(([, { value }]) => typeof value === "number")?.[0];
}

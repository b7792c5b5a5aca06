import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { DeviceItem } from "../../../contracts/feed/protocol.ts";
import type { AlertChange } from "../../../domain/alert.ts";
import { usePage } from "../app/page.ts";
import { deviceHref } from "../app/route.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { formatAge, formatCount, plural } from "../lib/format.ts";
import { isSilent } from "../lib/silence.ts";
import type { DeviceEntry } from "../store/devices.ts";
import { OtherValue } from "./device-card.tsx";
import { SeverityIcon } from "./icons.tsx";

const VALUES_SHOWN = 4;
const NARROW_PX = 640;

const USUAL_FONT_PX = 16;

/** Rows grow with the reader's font size. */
export function rowHeightFor({ widthPx, fontPx }: { readonly widthPx: number; readonly fontPx: number }): number {
  return Math.ceil(((widthPx <= NARROW_PX ? 118 : 64) * fontPx) / USUAL_FONT_PX);
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
  const where = entry.apart.value || (item.tags.site ?? "");
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
        <span class="card-name" title={entry.name}>
          {entry.name}
        </span>
        <span class="device-row-site" title={where}>
          {where}
        </span>
      </span>
      <span class="device-row-values">
        {shown.slice(0, VALUES_SHOWN).map((name) => (
          <OtherValue key={name} name={name} item={item} metric={item.metrics[name]} />
        ))}
      </span>
      <Sparkline points={first === undefined ? undefined : entry.sparks.get(first)} newest={newestUs ?? 0} />
      <LastSeen item={item} />
    </a>
  );
}

function LastSeen({ item }: { readonly item: DeviceItem }): JSX.Element {
  const { asOfUs } = usePage();
  const words = useComputed(() => {
    const ageUs = asOfUs.value - item.lastSeenUs;
    // In steps of ten seconds, so that rows do not change every second.
    return ageUs < 10_000_000 ? "just now" : `${formatAge(Math.floor(ageUs / 10_000_000) * 10_000_000)} ago`;
  }).value;
  const silent = useComputed(() => isSilent(item, asOfUs.value)).value;
  const note = noteOf(item);
  return (
    <span class="device-row-heard">
      <span class={silent ? "note-warning" : ""}>
        {item.goneUs !== undefined ? `gone, ${words}` : silent ? `silent, ${words}` : words}
      </span>
      <span class="device-row-note" title={note}>
        {note}
      </span>
    </span>
  );
}

function noteOf(item: DeviceItem): string {
  if (item.unwatched === true) return "not watched";
  return oddities(item)[0] ?? `${formatCount(item.readings)} readings`;
}

/** Its irregular readings in words, the worst first. */
export function oddities(item: DeviceItem): readonly string[] {
  const { lateDropped = 0, clockAhead, lateApplied = 0, duplicates = 0 } = item;
  return [
    lateDropped > 0 ? `${formatCount(lateDropped)} dropped as late` : "",
    clockAhead > 0 ? `${formatCount(clockAhead)} with a doubtful time` : "",
    lateApplied > 0 ? `${formatCount(lateApplied)} late` : "",
    duplicates > 0 ? plural(duplicates, "duplicate") : "",
  ].filter((words) => words !== "");
}

function firstNumber(item: DeviceItem): string | undefined {
  return Object.entries(item.metrics).find(([, { value }]) => typeof value === "number")?.[0];
}

import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { DeviceItem, DeviceMetric } from "../../../contracts/feed/protocol.ts";
import type { ReadingValue } from "../../../domain/reading.ts";
import { usePage } from "../app/page.ts";
import { deviceHref } from "../app/route.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { formatAge, formatValue } from "../lib/format.ts";
import { printing } from "../lib/printing.ts";
import { isOld, isSilent, seenUsOf } from "../lib/silence.ts";
import { useVisible } from "../lib/visible.ts";
import { openAlertsOf } from "../store/alerts.ts";
import type { DeviceEntry } from "../store/devices.ts";
import { SeverityIcon } from "./icons.tsx";

const OTHERS_SHOWN = 3;
/** Longer values are set in a smaller size. */
const SHORT_MAX = 7;

/** One device of the grid. Off screen, only its name is rendered. Its size is fixed, so nothing moves. */
export function DeviceCard(props: {
  readonly entry: DeviceEntry;
  readonly metric: string | undefined;
  readonly site: string | undefined;
}): JSX.Element {
  const { entry, metric, site } = props;
  const { alerts, asOfUs } = usePage();
  const ref = useRef<HTMLAnchorElement>(null);
  const visible = useVisible(ref);
  // A change in other devices' alerts does not render this card.
  const worst = useComputed(() => openAlertsOf(alerts.byDevice.value, entry.item.peek())[0]).value;
  const silent = useComputed(() => isSilent(entry.item.value, asOfUs.value)).value;
  return (
    <a
      ref={ref}
      class="card"
      data-row
      href={deviceHref(entry.item.peek())}
      data-severity={worst?.severity}
      data-state={worst?.state}
      data-device={entry.name}
      data-silent={silent}
    >
      <span class="card-head">
        <span class="card-name" title={entry.name}>
          {entry.name}
          <Apart entry={entry} />
        </span>
        {worst === undefined ? (
          site !== undefined && <span class="card-site">{site}</span>
        ) : (
          <span class="chip" data-severity={worst.severity} data-state={worst.state}>
            <SeverityIcon severity={worst.severity} state={worst.state} />
            {worst.state === "firing" ? worst.severity : "pending"}
          </span>
        )}
      </span>
      {(visible || printing.value) && <CardBody entry={entry} metric={metric} />}
    </a>
  );
}

/** What tells the device from others of its name. */
function Apart({ entry }: { readonly entry: DeviceEntry }): JSX.Element | null {
  const words = entry.apart.value;
  return words === "" ? null : <span class="card-apart"> {words}</span>;
}

function CardBody({
  entry,
  metric,
}: {
  readonly entry: DeviceEntry;
  readonly metric: string | undefined;
}): JSX.Element {
  const { backfill } = usePage();
  const item = entry.item.value;
  const shown = metric !== undefined && item.metrics[metric] !== undefined ? metric : Object.keys(item.metrics)[0];
  const reading = shown === undefined ? undefined : item.metrics[shown];
  const newestUs = reading?.atUs;
  useEffect(() => {
    if (shown !== undefined && newestUs !== undefined) backfill.want(entry, shown, newestUs);
  }, [backfill, entry, shown, newestUs]);
  return (
    <>
      <span class="card-main">
        <span class="card-value" data-old={useOld(item, reading) !== undefined}>
          <span class="card-metric" title={shown}>
            {shown ?? "no readings"}
          </span>
          <Value value={reading?.value} />
          <Age item={item} metric={reading} />
        </span>
        <Sparkline points={shown === undefined ? undefined : entry.sparks.get(shown)} newest={reading?.atUs ?? 0} />
      </span>
      <CardFoot item={item} shown={shown} />
    </>
  );
}

function Value({ value }: { readonly value: ReadingValue | undefined }): JSX.Element {
  const text = formatValue(value);
  return (
    <span class="card-number" data-long={text.length > SHORT_MAX} title={text.length > SHORT_MAX ? text : undefined}>
      {text}
    </span>
  );
}

/** How old the value of a metric is that no longer sends. */
function Age({ item, metric }: { readonly item: DeviceItem; readonly metric: DeviceMetric | undefined }) {
  const age = useOld(item, metric);
  return age === undefined ? null : <span class="card-age">{age} old</span>;
}

function CardFoot({ item, shown }: { readonly item: DeviceItem; readonly shown: string | undefined }): JSX.Element {
  const { asOfUs } = usePage();
  const silentFor = useComputed(() =>
    isSilent(item, asOfUs.value) ? formatAge(asOfUs.value - item.lastSeenUs) : undefined,
  ).value;
  // Apart from silence: the device said so itself.
  if (item.goneUs !== undefined)
    return (
      <span class="card-silent">Gone: it said so{silentFor === undefined ? "" : `, silent for ${silentFor}`}</span>
    );
  if (silentFor !== undefined) return <span class="card-silent">Silent for {silentFor}</span>;
  const others = Object.entries(item.metrics).filter(([metric]) => metric !== shown);
  return (
    <span class="card-others">
      {others.slice(0, OTHERS_SHOWN).map(([metric, about]) => (
        <OtherValue key={metric} name={metric} item={item} metric={about} />
      ))}
      {others.length === 0 && <span class="card-other-name">No other metrics</span>}
    </span>
  );
}

/** A metric's name and value; of a silent metric, with its age. The full texts are in the tooltip. */
export function OtherValue(props: {
  readonly name: string;
  readonly item: DeviceItem;
  readonly metric: DeviceMetric | undefined;
}): JSX.Element {
  const { name, item, metric } = props;
  const age = useOld(item, metric);
  const value = formatValue(metric?.value);
  return (
    <span
      class="card-other"
      data-old={age !== undefined}
      title={`${name}: ${value}${age === undefined ? "" : `, ${age} old`}`}
    >
      <span class="card-other-name">{name}</span>
      <span class="card-other-value">
        {value}
        {age !== undefined && <span class="card-other-age"> {age}</span>}
      </span>
    </span>
  );
}

/** The age of a value whose metric is silent; undefined while it sends. */
function useOld(item: DeviceItem, metric: DeviceMetric | undefined): string | undefined {
  const { asOfUs } = usePage();
  return useComputed(() =>
    metric !== undefined && isOld(item, metric, asOfUs.value)
      ? formatAge(asOfUs.value - seenUsOf(item, metric))
      : undefined,
  ).value;
}

import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { DeviceItem } from "../../../contracts/feed/protocol.ts";
import { usePage } from "../app/page.ts";
import { deviceHref } from "../app/route.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { formatAge, formatValue, NO_VALUE } from "../lib/format.ts";
import { isSilent } from "../lib/silence.ts";
import { useVisible } from "../lib/visible.ts";
import { openAlertsOf } from "../store/alerts.ts";
import type { DeviceEntry } from "../store/devices.ts";
import { SeverityIcon } from "./icons.tsx";

const OTHERS_SHOWN = 3;

/** One device of the grid. Off screen, only its name is rendered. Its size is fixed, so nothing moves. */
export function DeviceCard(props: {
  readonly entry: DeviceEntry;
  readonly metric: string | undefined;
  readonly site: string | undefined;
}): JSX.Element {
  const { entry, metric, site } = props;
  const { alerts } = usePage();
  const ref = useRef<HTMLAnchorElement>(null);
  const visible = useVisible(ref);
  // A change in other devices' alerts does not render this card.
  const worst = useComputed(() => openAlertsOf(alerts.byDevice.value, entry.item.peek())[0]).value;
  return (
    <a
      ref={ref}
      class="card"
      data-row
      href={deviceHref(entry.item.peek())}
      data-severity={worst?.severity}
      data-state={worst?.state}
      data-device={entry.name}
    >
      <span class="card-head">
        <span class="card-name">
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
      {visible && <CardBody entry={entry} metric={metric} />}
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
        <span class="card-value">
          <span class="card-metric">{shown ?? "no readings"}</span>
          <span class="card-number">{formatValue(reading?.value)}</span>
        </span>
        <Sparkline points={shown === undefined ? undefined : entry.sparks.get(shown)} newest={reading?.atUs ?? 0} />
      </span>
      <CardFoot item={item} shown={shown} />
    </>
  );
}

function CardFoot({ item, shown }: { readonly item: DeviceItem; readonly shown: string | undefined }): JSX.Element {
  const { nowUs } = usePage();
  const silentFor = useComputed(() =>
    isSilent(item, nowUs.value) ? formatAge(nowUs.value - item.lastSeenUs) : undefined,
  ).value;
  if (silentFor !== undefined) return <span class="card-silent">Silent for {silentFor}</span>;
  const others = Object.entries(item.metrics).filter(([metric]) => metric !== shown);
  return (
    <span class="card-others">
      {others.slice(0, OTHERS_SHOWN).map(([metric, { value }]) => (
        <span key={metric} class="card-other">
          <span class="card-other-name">{metric}</span>
          <span class="card-other-value">{formatValue(value)}</span>
        </span>
      ))}
      {others.length === 0 && <span class="card-other-name">{NO_VALUE}</span>}
    </span>
  );
}

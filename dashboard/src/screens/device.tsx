import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { DeviceItem } from "../../../contracts/feed/protocol.ts";
import { type Device, deviceKey, type Tags } from "../../../domain/reading.ts";
import { usePage } from "../app/page.ts";
import { deviceHref, devicesHref, spanHref } from "../app/route.ts";
import { DeviceCharts } from "../components/device-charts.tsx";
import { oddities } from "../components/device-row.tsx";
import { RangeBar } from "../components/range-bar.tsx";
import { formatInstant, formatTime, plural, zoneName } from "../lib/format.ts";
import { type Range, rangeById, type Span } from "../lib/ranges.ts";
import type { DeviceDetail } from "../store/device-detail.ts";
import { type FoundDevices, theDevice } from "../store/found-devices.ts";

const CHOICES_SHOWN = 100;

interface DeviceScreenProps {
  readonly device: string;
  /** Of several devices of this name, the one with these tags. */
  readonly tags: Tags;
  readonly range: string | undefined;
  readonly span: Span | undefined;
}

/** The device that the address names; a choice when it names several, and help when it names none. */
export function DeviceScreen({ device, tags, range, span }: DeviceScreenProps): JSX.Element {
  const page = usePage();
  const asked = useMemo(() => ({ device, tags }), [device, deviceKey({ device, tags })]);
  const [found, setFound] = useState<FoundDevices | undefined>(undefined);
  useEffect(() => {
    const opened = page.findDevices(asked);
    setFound(opened);
    return () => opened.close();
  }, [page, asked]);
  const items = found?.items.value;
  const chosen = useRef<Device | undefined>(undefined);
  // Another device of the name that appears later does not replace the one on the screen.
  chosen.current ??= theDevice(asked, items ?? page.devices.having(asked).map((entry) => entry.item.peek()));
  if (chosen.current !== undefined) {
    const key = deviceKey(chosen.current);
    const item = items?.find((one) => deviceKey(one) === key);
    return <OneDevice key={key} device={chosen.current} item={item} range={range} span={span} />;
  }
  return (
    <div class="device">
      <div class="device-head">
        <h1>{device}</h1>
      </div>
      {items === undefined && <p class="quiet device-waiting">Looking for {device}</p>}
      {items?.length === 0 && <NoDevice asked={asked} />}
      {items !== undefined && items.length > 0 && <Choices items={items} />}
    </div>
  );
}

/** For an address that fits several devices. */
function Choices({ items }: { readonly items: readonly Device[] }): JSX.Element {
  return (
    <>
      <p class="quiet">{plural(items.length, "device")} have this name. They differ in their tags:</p>
      <DeviceLinks devices={items} />
    </>
  );
}

function DeviceLinks({ devices }: { readonly devices: readonly Device[] }): JSX.Element {
  return (
    <>
      <ul class="device-choices">
        {devices.slice(0, CHOICES_SHOWN).map((device) => (
          <li key={deviceKey(device)}>
            <a href={deviceHref(device)} data-row>
              <span class="card-name">{device.device}</span>
              <TagList tags={device.tags} />
            </a>
          </li>
        ))}
      </ul>
      {devices.length > CHOICES_SHOWN && (
        <a class="more" href={devicesHref({ device: devices[0]?.device })}>
          {plural(devices.length - CHOICES_SHOWN, "more device")}
        </a>
      )}
    </>
  );
}

function NoDevice({ asked }: { readonly asked: Device }): JSX.Element {
  const { devices } = usePage();
  devices.list.value;
  const others = devices.having({ device: asked.device, tags: {} });
  const hasTags = Object.keys(asked.tags).length > 0;
  return (
    <div class="empty">
      <h2>No such device</h2>
      <p>
        {hasTags ? (
          <>
            The gateway has no readings of a device of this name with <TagList tags={asked.tags} />.
          </>
        ) : (
          "The gateway has no readings of a device of this name."
        )}
      </p>
      <p>
        Check the spelling. If the name is right, the device has sent nothing that Weir could read: its messages may be
        among the <a href="#/pipeline">dead letters</a>. This page shows the device as soon as a reading arrives.
      </p>
      {others.length > 0 ? (
        <>
          <p>Devices of this name with other tags:</p>
          <DeviceLinks devices={others.map((entry) => entry.item.peek())} />
        </>
      ) : (
        <p>
          <a href={devicesHref()}>See all devices</a>
        </p>
      )}
    </div>
  );
}

function TagList({ tags }: { readonly tags: Tags }): JSX.Element {
  const list = Object.entries(tags);
  if (list.length === 0) return <span class="quiet">without tags</span>;
  return (
    <>
      {list.map(([name, value]) => (
        <span key={name} class="tag">
          <span class="tag-name">{name}</span> {value}
        </span>
      ))}
    </>
  );
}

function OneDevice(props: {
  readonly device: Device;
  readonly item: DeviceItem | undefined;
  readonly range: string | undefined;
  readonly span: Span | undefined;
}): JSX.Element {
  const { device, item } = props;
  const page = usePage();
  const [detail, setDetail] = useState<DeviceDetail | undefined>(undefined);
  useEffect(() => {
    const opened = page.openDevice(device, { range: rangeById(props.range), span: props.span });
    setDetail(opened.detail);
    return opened.close;
  }, [page]);
  const onSpan = useMemo(
    () => (span: Span) => {
      detail?.chooseSpan(span);
      history.replaceState(null, "", spanHref(device, span));
    },
    [detail],
  );
  return (
    <div class="device">
      <DeviceHead device={device} item={item} detail={detail} onSpan={onSpan} />
      {detail !== undefined && <DeviceCharts detail={detail} onSpan={onSpan} />}
    </div>
  );
}

function DeviceHead(props: {
  readonly device: Device;
  readonly item: DeviceItem | undefined;
  readonly detail: DeviceDetail | undefined;
  onSpan(span: Span): void;
}): JSX.Element {
  const { device, item, detail, onSpan } = props;
  const zone = usePage().settings.zone.value;
  const omitted = item?.metricsOmitted ?? 0;
  return (
    <div class="device-head">
      <div>
        <h1>{device.device}</h1>
        <p class="device-tags">
          {Object.keys(device.tags).length > 0 && <TagList tags={device.tags} />}
          {item !== undefined && <span>last seen {formatTime(item.lastSeenUs, zone)}</span>}
          {item?.goneUs !== undefined && (
            <span class="note-warning">said at {formatTime(item.goneUs, zone)} that it is gone</span>
          )}
          {detail !== undefined && <NewestReading detail={detail} />}
          {item !== undefined &&
            oddities(item).map((words) => (
              <span key={words} class="note-warning">
                {words}
              </span>
            ))}
          {omitted > 0 && <span>the list of devices leaves out {plural(omitted, "metric")} of it</span>}
        </p>
      </div>
      {detail !== undefined && <Ranges detail={detail} onSpan={onSpan} />}
    </div>
  );
}

function NewestReading({ detail }: { readonly detail: DeviceDetail }): JSX.Element | null {
  const { settings } = usePage();
  const zone = settings.zone.value;
  const minute = useComputed(() => Math.floor(detail.newestUs.value / 60_000_000)).value;
  if (!(minute > 0)) return null;
  const atUs = minute * 60_000_000;
  return (
    <span>
      newest reading {formatInstant(atUs, zone)}, {zoneName(zone, atUs)}
    </span>
  );
}

function Ranges({ detail, onSpan }: { readonly detail: DeviceDetail; onSpan(span: Span): void }): JSX.Element {
  function follow(next: Range): void {
    detail.chooseRange(next);
    history.replaceState(null, "", deviceHref(detail.device, next.id));
  }
  return (
    <RangeBar
      span={detail.span.value}
      range={detail.range.value}
      newestUs={() => detail.newestUs.peek()}
      onRange={follow}
      onSpan={onSpan}
    />
  );
}

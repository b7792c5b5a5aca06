import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { usePage } from "../app/page.ts";
import { DEVICE_SORTS, DEVICE_STATES, type DeviceFilter, devicesHref } from "../app/route.ts";
import { DeviceRow, oddities, rowHeightFor } from "../components/device-row.tsx";
import { SearchField } from "../components/search-field.tsx";
import { VirtualList } from "../components/virtual-list.tsx";
import { plural } from "../lib/format.ts";
import { textSearch } from "../lib/search.ts";
import { isSilent } from "../lib/silence.ts";
import { type OpenByDevice, openAlertsOf, rankOf } from "../store/alerts.ts";
import { hasOld, hasUnwatched } from "../store/census.ts";
import { DEVICES_MAX, type DeviceEntry } from "../store/devices.ts";

/** Filters and orders that depend on the clock are applied again at this interval. */
const AGAIN_US = 5_000_000;

export function DevicesScreen({ filter: asked }: { readonly filter: DeviceFilter }): JSX.Element {
  const find = useSignal(asked.find);
  useEffect(() => {
    find.value = asked.find;
  }, [asked]);
  const filter = useMemo(() => ({ ...asked, find: find.value }), [asked, find.value]);
  const { devices, alerts } = usePage();
  const rowHeight = useRowHeight();
  const list = devices.list.value;
  const found = useFound(filter);
  const overflow = devices.overflow.value;
  // Without a hashchange, which would arrive after the next letter and undo it.
  function type(text: string): void {
    find.value = text;
    history.replaceState(null, "", devicesHref({ ...filter, find: text }));
  }
  return (
    <div class="devices-screen">
      <div class="screen-head">
        <h1>Devices</h1>
        <span class="count" role="status">
          {found.length === list.length ? list.length : `${found.length} of ${list.length}`}
        </span>
        <SearchField label="Find devices" value={filter.find} onInput={type} />
        <Choices filter={filter} list={list} />
      </div>
      <Named filter={filter} />
      {found.length > 0 && (
        <VirtualList items={found} rowHeight={rowHeight} label="Devices" keyOf={(entry) => entry.id}>
          {(entry) => <DeviceRow entry={entry} worst={openAlertsOf(alerts.byDevice.value, entry.item.peek())[0]} />}
        </VirtualList>
      )}
      {found.length === 0 && <None any={list.length > 0} loaded={devices.loaded.value} />}
      {overflow > 0 && (
        <p class="quiet">
          This page lists {plural(DEVICES_MAX, "device")}. {plural(overflow, "more device")} send readings.
        </p>
      )}
    </div>
  );
}

/** Says that the list is limited to the devices of one name, or to those with some tags. */
function Named({ filter }: { readonly filter: DeviceFilter }): JSX.Element | null {
  const { device, tags } = filter;
  const words = Object.entries(tags).map(([name, value]) => `${name} ${value}`);
  if (device === undefined && words.length === 0) return null;
  return (
    <p class="screen-words">
      Only devices{device === undefined ? "" : ` named ${device}`}
      {words.length === 0 ? "" : ` with ${words.join(" and ")}`}.{" "}
      <a href={devicesHref({ ...filter, device: undefined, tags: {} })}>Show all</a>
    </p>
  );
}

const STATE_WORDS: Readonly<Record<(typeof DEVICE_STATES)[number], string>> = {
  alerting: "With open alerts",
  silent: "Silent",
  "partly-silent": "Partly silent",
  unwatched: "Not watched",
  "partly-unwatched": "With metrics that are not watched",
  odd: "Late, duplicate or doubtful time",
};
const SORT_WORDS: Readonly<Record<DeviceFilter["sort"], string>> = {
  name: "Site and name",
  worst: "Worst first",
  seen: "Longest silent first",
};

/** Site, state and order of the list. */
function Choices({
  filter,
  list,
}: {
  readonly filter: DeviceFilter;
  readonly list: readonly DeviceEntry[];
}): JSX.Element {
  const sites = useMemo(() => sitesOf(list), [list]);
  // The address follows the filter, so that people can share it. It is replaced, so that "back" leaves the screen.
  function choose(change: Partial<DeviceFilter>): void {
    location.replace(devicesHref({ ...filter, ...change }));
  }
  return (
    <>
      <Choice
        label="Site"
        value={filter.site}
        options={sites.map((site) => [site, site === "" ? "No site" : site])}
        onChange={(site) => choose({ site })}
      />
      <Choice
        label="State"
        value={filter.state}
        options={DEVICE_STATES.map((state) => [state, STATE_WORDS[state]])}
        onChange={(chosen) => choose({ state: DEVICE_STATES.find((state) => state === chosen) })}
      />
      <label class="field">
        <span class="field-label">Sort</span>
        <select
          value={filter.sort}
          onChange={({ currentTarget: { value } }) =>
            choose({ sort: DEVICE_SORTS.find((sort) => sort === value) ?? filter.sort })
          }
        >
          {DEVICE_SORTS.map((sort) => (
            <option key={sort} value={sort}>
              {SORT_WORDS[sort]}
            </option>
          ))}
        </select>
      </label>
    </>
  );
}

function None({ any, loaded }: { readonly any: boolean; readonly loaded: boolean }): JSX.Element {
  if (any) {
    return (
      <p class="quiet">
        No matching devices. <a href="#/devices">Show all</a>
      </p>
    );
  }
  return <p class="quiet">{loaded ? "No device has sent readings yet." : "Loading devices"}</p>;
}

function Choice(props: {
  readonly label: string;
  readonly value: string | undefined;
  readonly options: readonly (readonly [string, string])[];
  onChange(value: string | undefined): void;
}): JSX.Element {
  const { label, value, options, onChange } = props;
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      {/* The "=" distinguishes "all" from a site without a name. */}
      <select
        value={value === undefined ? "all" : `=${value}`}
        onChange={({ currentTarget: { value: chosen } }) => onChange(chosen === "all" ? undefined : chosen.slice(1))}
      >
        <option value="all">All</option>
        {options.map(([name, words]) => (
          <option key={name} value={`=${name}`}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

function useFound(filter: DeviceFilter): readonly DeviceEntry[] {
  const { devices, alerts, asOfUs } = usePage();
  const list = devices.list.value;
  const timed = (filter.state !== undefined && filter.state !== "alerting") || filter.sort === "seen";
  const again = useComputed(() => Math.floor(asOfUs.value / AGAIN_US)).value;
  const byDevice = filter.state === "alerting" || filter.sort === "worst" ? alerts.byDevice.value : undefined;
  return useMemo(
    () => findDevices(list, filter, { alerts: byDevice ?? NO_ALERTS, nowUs: asOfUs.peek() }),
    [list, filter, byDevice, timed && again],
  );
}

const NO_ALERTS: OpenByDevice = new Map();

interface Present {
  readonly alerts: OpenByDevice;
  readonly nowUs: number;
}

const IS_IN_STATE: Readonly<Record<(typeof DEVICE_STATES)[number], (entry: DeviceEntry, present: Present) => boolean>> =
  {
    alerting: ({ item }, { alerts }) => openAlertsOf(alerts, item.peek()).length > 0,
    silent: ({ item }, { nowUs }) => isSilent(item.peek(), nowUs),
    "partly-silent": ({ item }, { nowUs }) => !isSilent(item.peek(), nowUs) && hasOld(item.peek(), nowUs),
    unwatched: ({ item }) => item.peek().unwatched === true,
    "partly-unwatched": ({ item }) => item.peek().unwatched !== true && hasUnwatched(item.peek()),
    odd: ({ item }) => oddities(item.peek()).length > 0,
  };

/** The matching devices, in the chosen order. Each word must be in the name, a tag or a metric. */
export function findDevices(
  list: readonly DeviceEntry[],
  filter: DeviceFilter,
  present: Present,
): readonly DeviceEntry[] {
  const { alerts } = present;
  const isFound = textSearch(filter.find);
  const found = list.filter((entry) => {
    const item = entry.item.peek();
    if (filter.device !== undefined && filter.device !== entry.name) return false;
    if (Object.entries(filter.tags).some(([name, value]) => entry.tags[name] !== value)) return false;
    if (filter.site !== undefined && (item.tags.site ?? "") !== filter.site) return false;
    if (filter.state !== undefined && !IS_IN_STATE[filter.state](entry, present)) return false;
    return isFound(() => [entry.name, ...Object.values(item.tags), ...Object.keys(item.metrics)].join(" "));
  });
  if (filter.sort === "seen") return found.sort((a, b) => a.item.peek().lastSeenUs - b.item.peek().lastSeenUs);
  if (filter.sort === "worst") {
    const weight = (entry: DeviceEntry) => {
      const worst = openAlertsOf(alerts, entry.item.peek())[0];
      return worst === undefined ? 0 : rankOf(worst.severity) + (worst.state === "firing" ? 10 : 1);
    };
    return found.sort((a, b) => weight(b) - weight(a));
  }
  return found;
}

function sitesOf(list: readonly DeviceEntry[]): readonly string[] {
  return [...new Set(list.map((entry) => entry.item.peek().tags.site ?? ""))].sort();
}

/** Rows are higher on narrow screens. The list must know their height before it renders them. */
function useRowHeight(): number {
  const current = () =>
    rowHeightFor({
      widthPx: innerWidth,
      fontPx: Number.parseFloat(getComputedStyle(document.documentElement).fontSize),
    });
  const height = useSignal(current());
  useEffect(() => {
    const changed = () => {
      height.value = current();
    };
    addEventListener("resize", changed);
    return () => removeEventListener("resize", changed);
  }, []);
  return height.value;
}

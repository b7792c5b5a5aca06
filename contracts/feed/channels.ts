import type { z } from "zod";
import type { AlertChange } from "../../domain/alert.ts";
import type { StreamName } from "../../domain/subjects.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import {
  alertChangeSchema,
  type DeviceItem,
  deviceItemSchema,
  type ReadingItem,
  readingItemSchema,
  type StatsItem,
  statsItemSchema,
  windowResultSchema,
} from "./items.ts";

/**
 * `state`: a client gets the newest version of each item that changed, conflated to its pace. `changes`: a client
 * gets every change at once and in order; a client that cannot keep up is closed.
 */
export type Delivery = "state" | "changes";

export interface ChannelKind<T, D extends Delivery = Delivery> {
  /** What an item is and what identifies it. */
  readonly doc: string;
  readonly item: z.ZodType<T>;
  /** The name of the item's schema in `docs/asyncapi.yaml`. */
  readonly itemName: string;
  /** What a filter may name, for people. */
  readonly filterNames: string;
  readonly delivery: D;
  /**
   * The log stream that cursors count. Undefined: the items come over the bus and have no history, so a client that
   * reconnects gets a snapshot.
   */
  readonly stream: StreamName | undefined;
  /** Items describe the gateway and name devices of every site: only tokens for all sites may see them. */
  readonly allSitesOnly: boolean;
  readonly example: { readonly name: string; readonly cursor: string; readonly items: readonly T[] };
}

/**
 * The channels of the feed. Everything that lists channels derives from this table: the protocol's schemas,
 * `docs/asyncapi.yaml`, tokens, metrics and the conformance suite. `dashboard-feed/views/views.ts` defines what feeds
 * each channel.
 */
export const CHANNEL_KINDS = {
  windows: kind<WindowResult, "state">({
    doc:
      "Named by rule, labels and start; a higher revision replaces a lower one. A result without aggregates that ends " +
      "where it starts withdraws the result before it.",
    item: windowResultSchema,
    itemName: "WindowResult",
    filterNames: "`rule` and labels",
    delivery: "state",
    stream: "WINDOWS",
    allSitesOnly: false,
    example: {
      name: "windows, one of them corrected by late readings",
      cursor: "5120.65535",
      items: [
        {
          rule: "cold-room-warm",
          labels: { device: "cold-1", site: "north" },
          startUs: 1763769540000000,
          endUs: 1763769600000000,
          revision: 0,
          aggregates: { avg: 9.5 },
        },
        {
          rule: "cold-room-warm",
          labels: { device: "cold-2", site: "north" },
          startUs: 1763769480000000,
          endUs: 1763769540000000,
          revision: 1,
          aggregates: { avg: 4.75 },
        },
      ],
    },
  }),
  alerts: kind<AlertChange, "changes">({
    doc:
      "Named by its id. The last change of a rule and key is the state of that alert. A snapshot holds the changes of " +
      "the incidents that the server keeps, in order.",
    item: alertChangeSchema,
    itemName: "AlertChange",
    filterNames: "`rule`, `severity`, key and labels",
    delivery: "changes",
    stream: "ALERTS",
    allSitesOnly: false,
    example: {
      name: "an alert",
      cursor: "4712.65535",
      items: [
        {
          id: "cold-room-warm/north-cold-1/1763769600000000/firing",
          incident: "cold-room-warm/north-cold-1/1763769600000000",
          rule: "cold-room-warm",
          severity: "critical",
          from: "pending",
          state: "firing",
          key: { device: "cold-1", site: "north" },
          labels: { device: "cold-1", site: "north", team: "facilities" },
          annotations: { summary: "cold-1 at 9.5 degC" },
          atUs: 1763769600000000,
          processedAtUs: 1763769610000000,
          activeAtUs: 1763769480000000,
          value: 9.5,
          notify: ["ops"],
          evidence: {
            window: { startUs: 1763769540000000, endUs: 1763769600000000 },
            aggregate: "avg",
            value: 9.5,
            condition: "> 8",
            watermarkUs: 1763769600000000,
            input: { partition: 3, sequence: 81220 },
          },
        },
      ],
    },
  }),
  readings: kind<ReadingItem, "state">({
    doc: "The newest value of a series. Named by device, metric and tags.",
    item: readingItemSchema,
    itemName: "ReadingItem",
    filterNames: "`device`, `metric` and tags",
    delivery: "state",
    stream: "READINGS",
    allSitesOnly: false,
    example: {
      name: "readings",
      cursor: "81220.65535",
      items: [
        { device: "cold-1", metric: "temperature", tags: { site: "north" }, atUs: 1763769600000000, value: 5.25 },
        { device: "cold-1", metric: "door-open", tags: { site: "north" }, atUs: 1763769598000000, value: false },
      ],
    },
  }),
  devices: kind<DeviceItem, "state">({
    doc:
      "A device, named by `device` and all its `tags`: a name with two sets of tags is two devices. Counts begin with " +
      "the readings that the feed read back at its start.",
    item: deviceItemSchema,
    itemName: "DeviceItem",
    filterNames: "`device`, `metric` and tags",
    delivery: "state",
    stream: "READINGS",
    allSitesOnly: false,
    example: {
      name: "devices",
      cursor: "81220.65535",
      items: [
        {
          device: "cold-1",
          tags: { site: "north" },
          lastSeenUs: 1763769600000000,
          silentFromUs: 1763769630000000,
          expectedEveryUs: 10000000,
          readings: 90210,
          clockAhead: 0,
          lateApplied: 3,
          lateDropped: 0,
          duplicates: 12,
          metrics: {
            temperature: { atUs: 1763769600000000, value: 5.25 },
            mode: { atUs: 1763769300000000, value: "defrost", seenUs: 1763769300000000, unwatched: true },
          },
        },
      ],
    },
  }),
  stats: kind<StatsItem, "state">({
    doc: "The metrics of one process or thread. Named by instance.",
    item: statsItemSchema,
    itemName: "StatsItem",
    filterNames: "`instance`",
    delivery: "state",
    stream: undefined,
    allSitesOnly: true,
    example: {
      name: "metrics of a process",
      cursor: "17.0",
      items: [
        {
          instance: "edge-4711",
          atUs: 1763769600000000,
          values: { weir_ingest_readings_total: 1280443, 'weir_feed_sent_total{channel="alerts"}': 12 },
        },
      ],
    },
  }),
};

export type Channel = keyof typeof CHANNEL_KINDS;

/** Channels of one delivery. */
export type ChannelOf<D extends Delivery> = {
  [C in Channel]: (typeof CHANNEL_KINDS)[C]["delivery"] extends D ? C : never;
}[Channel];

/** The item type of each channel. */
export type ItemOfChannel = { readonly [C in Channel]: (typeof CHANNEL_KINDS)[C]["example"]["items"][number] };
export type Item = ItemOfChannel[Channel];

export function isChannel(name: string): name is Channel {
  return Object.hasOwn(CHANNEL_KINDS, name);
}

export function isDeliveredAs<D extends Delivery>(channel: Channel, delivery: D): channel is ChannelOf<D> {
  return CHANNEL_KINDS[channel].delivery === delivery;
}

export const CHANNELS: readonly Channel[] = Object.keys(CHANNEL_KINDS).filter(isChannel);

function kind<T, const D extends Delivery>(declared: ChannelKind<T, D>): ChannelKind<T, D> {
  return declared;
}

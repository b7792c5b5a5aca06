import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { CLOSE_UNAUTHORIZED, type ReadingItem } from "../../../contracts/feed/protocol.ts";
import {
  createFeedClient,
  type FeedClient,
  type FeedStatus,
  type FeedSubscription,
} from "../../../contracts/feed-client/feed-client.ts";
import { type Device, deviceKey } from "../../../domain/reading.ts";
import type { WindowResult } from "../../../domain/window-result.ts";
import { countChanges, framesApart } from "../lib/apart.ts";
import type { EventTime } from "../lib/event-clock.ts";
import type { Range, Span } from "../lib/ranges.ts";
import { AlertStore } from "../store/alerts.ts";
import { type AttentionStore, createAttention } from "../store/attention.ts";
import { type Backfill, createBackfill } from "../store/backfill.ts";
import { type Census, createCensus } from "../store/census.ts";
import { DeviceDetail } from "../store/device-detail.ts";
import { filterOf, groupFilterOf } from "../store/device-filter.ts";
import { DeviceStore } from "../store/devices.ts";
import { type FoundDevices, findDevices } from "../store/found-devices.ts";
import { createFrame, type Frame } from "../store/frame.ts";
import { openRuleState, type RuleState } from "../store/rule-state.ts";
import { createStatsStore, type StatsStore } from "../store/stats.ts";
import { Api } from "./api.ts";
import { type Polled, startPolls } from "./polls.ts";
import { isKiosk, watchHash } from "./route.ts";
import { openSession, type Session } from "./session.ts";
import { loadSettings, type Settings } from "./settings.ts";

const SNAPSHOT_SETTLED_MS = 3_000;
const DEVICE_HZ = 10;
const STATS_HZ = 2;
/** The pace of all devices. It is enough for a list, and thousands of devices cause little load. */
const DEVICES_HZ = 1;
/** The pace of all devices while the screen shows a single device. */
const UNSEEN_DEVICES_HZ = 0.2;

/**
 * Everything that the screens render. One page holds one connection to the gateway.
 *
 * The feed fills the stores, `polls.ts` requests the rest, and screens read the signals of both. This file does not know
 * the screens, which `src/screens.tsx` declares. `store/turns.ts` says how charts share frames (ADR 16).
 */
export interface Page extends Polled {
  /** The part of the address from its `#`, which names the screen. */
  readonly hash: ReadonlySignal<string>;
  readonly kiosk: boolean;
  readonly session: Session;
  readonly settings: Settings;
  readonly status: ReadonlySignal<FeedStatus>;
  readonly api: Api;
  readonly devices: DeviceStore;
  readonly alerts: AlertStore;
  readonly attention: AttentionStore;
  readonly stats: StatsStore;
  readonly backfill: Backfill;
  /** The gateway's clock, once a second. */
  readonly nowUs: ReadonlySignal<number>;
  /** The time of what the page shows: `nowUs`, or when the connection was lost. */
  readonly asOfUs: ReadonlySignal<number>;
  readonly census: ReadonlySignal<Census>;
  readonly eventTime: ReadonlySignal<EventTime>;
  /** Subscribes to the devices of this name with these tags until `close`. */
  findDevices(asked: Device): FoundDevices;
  /** Subscribes to everything about one device until `close`. */
  openDevice(device: Device, view: { readonly range: Range | undefined; readonly span: Span | undefined }): OpenDevice;
  /** Subscribes to one rule's groups until `close`. */
  openRule(rule: string): RuleState;
}

export interface OpenDevice {
  readonly detail: DeviceDetail;
  close(): void;
}

const PageContext = createContext<Page | undefined>(undefined);
export const PageProvider = PageContext.Provider;

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === undefined) throw new Error("a component is outside the PageProvider");
  return page;
}

/** Connects to the gateway that served this page. */
export function startPage(target: Window): Page {
  const base = new URL(".", target.location.href);
  const session = openSession(target);
  const api = new Api(base.href, { token: session.token, onUnauthorized: session.unauthorized });
  const request = (run: () => void) => void target.requestAnimationFrame(run);
  const frame = createFrame(request);
  const drawing = createFrame(framesApart(request, countChanges(target.document, ".charts")), { batched: false });
  const status = signal<FeedStatus>({ state: "connecting", sinceMs: Date.now(), attempt: 1 });
  let serverAheadUs = 0;
  const serverNowUs = () => Date.now() * 1000 + serverAheadUs;
  const nowUs = signal(serverNowUs());
  const feed = connect({
    base,
    session,
    onStatus: (next) => {
      status.value = next;
    },
    onServerTime: (serverTimeUs) => {
      serverAheadUs = serverTimeUs - Date.now() * 1000;
      nowUs.value = serverNowUs();
    },
  });
  watchNetwork(target, feed);
  // The feed waits some time for a token before it refuses. The HTTP API refuses at once.
  if (session.token === undefined) api.rules().catch(() => {});

  const devices = new DeviceStore({
    frame,
    settled: (task) => target.setTimeout(task, SNAPSHOT_SETTLED_MS),
  });
  const alerts = new AlertStore(frame);
  const stats = createStatsStore(frame);
  const attention = createAttention(api);
  const backfill = createBackfill({ loadSeries: api.series, sparks: devices });
  const allDevices = subscribeStores(feed, { devices, alerts, stats });

  target.setInterval(() => {
    nowUs.value = serverNowUs();
  }, 1000);
  const asOfUs = followAsOf(nowUs, status);
  const root = target.document.documentElement;
  const kiosk = isKiosk(target.location);
  if (kiosk) root.dataset.kiosk = "";

  return {
    hash: watchHash(target),
    kiosk,
    session,
    settings: loadSettings(storageOf(target), root),
    status,
    api,
    devices,
    alerts,
    attention,
    stats,
    backfill,
    ...startPolls({ api, target, status, devices, alerts, attention, backfill }),
    nowUs,
    asOfUs,
    census: createCensus(devices.list, asOfUs),
    eventTime: computed(() => devices.clock.read(nowUs.value)),
    findDevices: (asked) => findDevices({ asked, feed, maxHz: DEVICES_HZ, onItems: (items) => devices.update(items) }),
    openDevice: (device, view) => openDevice({ device, ...view, feed, api, frame, drawing, devices, allDevices }),
    openRule: (rule) => openRuleState({ rule, feed, frame }),
  };
}

/** Without a connection, devices do not become silent: the page just does not hear of them. */
function followAsOf(nowUs: ReadonlySignal<number>, status: ReadonlySignal<FeedStatus>): ReadonlySignal<number> {
  const asOfUs = signal(nowUs.peek());
  let wasOpen = false;
  let wasLost = false;
  effect(() => {
    const { state, sinceMs } = status.value;
    const now = nowUs.value;
    wasLost ||= wasOpen && state !== "open";
    wasOpen ||= state === "open";
    // What the page missed arrives within the first seconds of a connection.
    const settled = state === "open" && Date.now() - sinceMs > SNAPSHOT_SETTLED_MS;
    if (!wasLost || settled) asOfUs.value = now;
  });
  return asOfUs;
}

function connect(options: {
  readonly base: URL;
  readonly session: Session;
  onStatus(status: FeedStatus): void;
  onServerTime(serverTimeUs: number): void;
}): FeedClient {
  const { base, session, onStatus, onServerTime } = options;
  const url = new URL("feed", base);
  url.protocol = base.protocol === "https:" ? "wss:" : "ws:";
  const feed = createFeedClient({
    url: url.href,
    backoff: { firstMs: 500, maxMs: 5_000 },
    ...(session.token === undefined ? {} : { token: session.token }),
    onStatus: (next) => {
      onStatus(next);
      if (next.closeCode === CLOSE_UNAUTHORIZED) session.unauthorized();
    },
    onServerTime,
    onError: (code) => {
      if (code === "unauthorized") session.unauthorized();
    },
  });
  // Another attempt does not help with an unknown token.
  session.state.subscribe((state) => {
    if (state !== "enough") feed.close();
  });
  return feed;
}

/** Checks the connection at once when a laptop wakes up or the network is back. */
function watchNetwork(target: Window, feed: FeedClient): void {
  target.addEventListener("online", () => feed.check());
  target.document.addEventListener("visibilitychange", () => {
    if (!target.document.hidden) feed.check();
  });
}

/** Subscribes to all devices, and returns the subscription. */
function subscribeStores(
  feed: FeedClient,
  stores: { readonly devices: DeviceStore; readonly alerts: AlertStore; readonly stats: StatsStore },
): FeedSubscription {
  const { devices, alerts, stats } = stores;
  const allDevices = feed.subscribe(
    { channel: "devices", maxHz: DEVICES_HZ },
    {
      onSnapshot: (items) => devices.snapshot(items),
      onUpdate: (items) => devices.update(items),
      onRemoved: (items) => devices.remove(items),
    },
  );
  feed.subscribe(
    { channel: "alerts" },
    { onSnapshot: (items) => alerts.snapshot(items), onUpdate: (items) => alerts.update(items) },
  );
  feed.subscribe({ channel: "stats", maxHz: STATS_HZ }, { onSnapshot: stats.add, onUpdate: stats.add });
  return allDevices;
}

function openDevice(options: {
  readonly device: Device;
  readonly range: Range | undefined;
  readonly span: Span | undefined;
  readonly feed: FeedClient;
  readonly api: Api;
  readonly frame: Frame;
  readonly drawing: Frame;
  readonly devices: DeviceStore;
  readonly allDevices: FeedSubscription;
}): OpenDevice {
  const { device, feed, api, devices, allDevices, ...view } = options;
  const detail = new DeviceDetail({
    device,
    ...view,
    loadSeries: api.series,
    loadStates: api.states,
    nowMs: () => performance.now(),
    later: (run, ms) => void setTimeout(run, ms),
  });
  const known = devices.get(deviceKey(device))?.item.peek();
  if (known !== undefined) {
    detail.readings(Object.entries(known.metrics).map(([metric, point]) => ({ metric, ...point })));
  }
  allDevices.setMaxHz(UNSEEN_DEVICES_HZ);
  const subscriptions = [subscribeReadings(feed, detail), subscribeWindows(feed, detail)];
  return {
    detail,
    close() {
      for (const subscription of subscriptions) subscription.end();
      allDevices.setMaxHz(DEVICES_HZ);
      detail.close();
    },
  };
}

function subscribeReadings(feed: FeedClient, detail: DeviceDetail): FeedSubscription {
  const key = deviceKey(detail.device);
  const own = (items: readonly ReadingItem[]) => items.filter((item) => deviceKey(item) === key);
  let snapshots = 0;
  return feed.subscribe(
    { channel: "readings", filter: filterOf(detail.device), maxHz: DEVICE_HZ },
    {
      onSnapshot(items) {
        detail.readings(own(items));
        // The page missed the readings between two snapshots.
        if (++snapshots > 1) detail.reload();
      },
      onUpdate: (items) => detail.readings(own(items)),
      onGap: () => detail.reload(),
    },
  );
}

function subscribeWindows(feed: FeedClient, detail: DeviceDetail): FeedSubscription {
  const onResults = (results: readonly WindowResult[]) => detail.windowResults(results);
  const filter = groupFilterOf(detail.device);
  return feed.subscribe(
    { channel: "windows", filter, maxHz: DEVICE_HZ },
    { onSnapshot: onResults, onUpdate: onResults },
  );
}

function storageOf(target: Window): Storage | undefined {
  try {
    return target.localStorage;
  } catch {
    return undefined;
  }
}

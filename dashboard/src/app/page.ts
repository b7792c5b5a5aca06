import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { createFeedClient, type FeedClient, type FeedStatus } from "../../../dashboard-feed/client/feed-client.ts";
import type { EventTime } from "../lib/event-clock.ts";
import type { Range } from "../lib/ranges.ts";
import { parseRules, type RuleView } from "../lib/rules.ts";
import { type AlertStore, createAlertStore } from "../store/alerts.ts";
import { type Backfill, createBackfill } from "../store/backfill.ts";
import { createDeviceDetail, type DeviceDetail } from "../store/device-detail.ts";
import { createDeviceStore, type DeviceStore } from "../store/devices.ts";
import { createFrame, type Frame } from "../store/frame.ts";
import { createStatsStore, type StatsStore } from "../store/stats.ts";
import { type Api, createApi } from "./api.ts";
import { type Route, watchRoute } from "./route.ts";
import { loadSettings, type Settings } from "./settings.ts";

const SNAPSHOT_SETTLED_MS = 3_000;
const RULES_EVERY_MS = 60_000;
const READY_EVERY_MS = 10_000;
const ALERTS_LISTED = 200;
const ALERTS_PAST_US = 30 * 86_400_000_000;
const ALERTS_AHEAD_US = 86_400_000_000;
const DEVICE_HZ = 10;

/** What the screens draw from: one per open page. */
export interface Page {
  readonly route: ReadonlySignal<Route>;
  readonly settings: Settings;
  readonly status: ReadonlySignal<FeedStatus>;
  readonly devices: DeviceStore;
  readonly alerts: AlertStore;
  readonly stats: StatsStore;
  readonly backfill: Backfill;
  readonly rules: ReadonlySignal<readonly RuleView[]>;
  /** What the gateway says is not well; undefined when all is, or when it cannot be asked. */
  readonly notReady: ReadonlySignal<string | undefined>;
  /** The server's clock, once a second. */
  readonly nowUs: ReadonlySignal<number>;
  readonly eventTime: ReadonlySignal<EventTime>;
  /** Starts the live picture of one device; `close` ends it. */
  openDevice(device: string, range: Range | undefined): DeviceDetail;
}

const PageContext = createContext<Page | undefined>(undefined);
export const PageProvider = PageContext.Provider;

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === undefined) throw new Error("a component stands outside of the page");
  return page;
}

/** Connects everything to the gateway that served this page. */
export function startPage(target: Window): Page {
  const base = new URL(".", target.location.href);
  const api = createApi(base.href);
  const frame = createFrame((run) => target.requestAnimationFrame(run));
  const status = signal<FeedStatus>({ state: "connecting", sinceMs: Date.now(), attempt: 1 });
  let serverAheadUs = 0;
  const serverNowUs = () => Date.now() * 1000 + serverAheadUs;
  const feedUrl = new URL("feed", base);
  feedUrl.protocol = base.protocol === "https:" ? "wss:" : "ws:";
  const feed = createFeedClient({
    url: feedUrl.href,
    backoff: { firstMs: 500, maxMs: 5_000 },
    onStatus: (next) => {
      status.value = next;
    },
    onServerTime: (serverTimeUs) => {
      serverAheadUs = serverTimeUs - Date.now() * 1000;
    },
  });

  const devices = createDeviceStore({
    frame,
    nowUs: serverNowUs,
    settled: (task) => target.setTimeout(task, SNAPSHOT_SETTLED_MS),
  });
  const alerts = createAlertStore(frame);
  const stats = createStatsStore(frame);
  const backfill = createBackfill({ loadSeries: api.series, deliver: devices.fill });
  subscribeStores(feed, { devices, alerts, stats });

  const nowUs = signal(serverNowUs());
  target.setInterval(() => {
    nowUs.value = serverNowUs();
  }, 1000);
  const eventTime = computed(() => devices.clock.read(nowUs.value));
  const { rules, notReady } = pollApi({ api, target, status, devices, alerts, backfill });

  return {
    route: watchRoute(target),
    settings: loadSettings(storageOf(target), target.document.documentElement),
    status,
    devices,
    alerts,
    stats,
    backfill,
    rules,
    notReady,
    nowUs,
    eventTime,
    openDevice: (device, range) => openDevice({ device, range, feed, api, frame, devices }),
  };
}

function subscribeStores(
  feed: FeedClient,
  stores: { readonly devices: DeviceStore; readonly alerts: AlertStore; readonly stats: StatsStore },
): void {
  const { devices, alerts, stats } = stores;
  feed.subscribe({ channel: "devices", maxHz: 4 }, { onSnapshot: devices.snapshot, onUpdate: devices.update });
  feed.subscribe({ channel: "alerts" }, { onSnapshot: alerts.snapshot, onUpdate: alerts.update });
  feed.subscribe({ channel: "stats", maxHz: 2 }, { onSnapshot: stats.add, onUpdate: stats.add });
}

/** Asks for rules and readiness now and then, and for past alerts each time that the connection comes up. */
function pollApi(options: {
  readonly api: Api;
  readonly target: Window;
  readonly status: ReadonlySignal<FeedStatus>;
  readonly devices: DeviceStore;
  readonly alerts: AlertStore;
  readonly backfill: Backfill;
}): { readonly rules: ReadonlySignal<readonly RuleView[]>; readonly notReady: ReadonlySignal<string | undefined> } {
  const { api, target, status, devices, alerts, backfill } = options;
  const rules = signal<readonly RuleView[]>([]);
  const notReady = signal<string | undefined>(undefined);
  let rulesText = "";

  async function askRules(): Promise<void> {
    const answer = await api.rules();
    const text = JSON.stringify(answer);
    // Equal rules stay the same object, so that charts have no reason to draw again.
    if (text === rulesText) return;
    rulesText = text;
    rules.value = parseRules(answer);
  }

  async function askReady(): Promise<void> {
    const answer = await api.notReady();
    notReady.value = answer === undefined ? undefined : readable(answer);
  }

  // Each of these is a nicety: the live feed goes on without it, and it is asked for again.
  const whenOpen = (ask: () => Promise<void>) => () => {
    if (status.peek().state === "open" && !target.document.hidden) ask().catch(() => {});
  };
  target.setInterval(whenOpen(askRules), RULES_EVERY_MS);
  target.setInterval(whenOpen(askReady), READY_EVERY_MS);
  let before: FeedStatus["state"] = "closed";
  status.subscribe(({ state }) => {
    if (state === "open" && before !== "open") {
      askRules().catch(() => {});
      askReady().catch(() => {});
      backfill.retry();
    }
    before = state;
  });
  // The past that matters is that of the readings, which may be recorded ones.
  effect(() => {
    if (status.value.state !== "open" || !devices.loaded.value) return;
    const newestUs = devices.clock.newestUs;
    if (newestUs === -Infinity) return;
    const query = { fromUs: newestUs - ALERTS_PAST_US, toUs: newestUs + ALERTS_AHEAD_US, limit: ALERTS_LISTED };
    api.alerts(query).then(alerts.history, () => {});
  });
  return { rules, notReady };
}

function openDevice(options: {
  readonly device: string;
  readonly range: Range | undefined;
  readonly feed: FeedClient;
  readonly api: Api;
  readonly frame: Frame;
  readonly devices: DeviceStore;
}): DeviceDetail {
  const { device, range, feed, api, frame, devices } = options;
  const detail = createDeviceDetail({ device, range, frame, loadSeries: api.series });
  const known = devices.get(device)?.item.peek();
  if (known !== undefined) {
    detail.readings(Object.entries(known.metrics).map(([metric, point]) => ({ metric, ...point })));
  }
  let snapshots = 0;
  const stops = [
    feed.subscribe(
      { channel: "readings", filter: { device }, maxHz: DEVICE_HZ },
      {
        onSnapshot(items) {
          detail.readings(items);
          // A second snapshot means that something was missed in between.
          if (++snapshots > 1) detail.reload();
        },
        onUpdate: detail.readings,
      },
    ),
    feed.subscribe(
      { channel: "windows", filter: { device }, maxHz: DEVICE_HZ },
      { onSnapshot: detail.windowResults, onUpdate: detail.windowResults },
    ),
  ];
  return {
    ...detail,
    close() {
      for (const stop of stops) stop();
      detail.close();
    },
  };
}

function storageOf(target: Window): Storage | undefined {
  try {
    return target.localStorage;
  } catch {
    return undefined;
  }
}

/** `/readyz` answers with JSON that names what is not ready, or with text. */
function readable(answer: string): string {
  try {
    const value: unknown = JSON.parse(answer);
    const words: string[] = [];
    collectDetails(value, words);
    if (words.length > 0) return words.slice(0, 3).join("; ");
  } catch {
    // Plain text, then.
  }
  return answer.slice(0, 200);
}

function collectDetails(value: unknown, words: string[]): void {
  if (typeof value !== "object" || value === null) return;
  const entries = Object.entries(value);
  const ready = entries.find(([name]) => name === "ready")?.[1];
  const detail = entries.find(([name]) => name === "detail")?.[1];
  if (ready === false && typeof detail === "string" && detail !== "") words.push(detail);
  for (const [, inner] of entries) collectDetails(inner, words);
}

import { type ChildProcess, fork } from "node:child_process";
import { constants, setPriority } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { findChromium } from "./chromium.ts";
import { type BareBrowser, type BarePage, type Session, startBareBrowser } from "./devtools.ts";
import { type Durations, durations, recordTrace, type TraceReport } from "./trace.ts";

/** Requests each frame and notes its time. Delays by the page show as longer times between two frames. */
const WATCH_FRAMES = `
  window.frameTimes = [];
  (function next(ms) { frameTimes.push(ms); requestAnimationFrame(next); })(performance.now());
`;
const FIRST_PAINT_MS_MAX = 1_000;
const WEIGHT_BYTES_MAX = 200_000;
/** Smaller growth is garbage that is not collected yet. */
const SLOPE_KB_PER_MINUTE_MAX = 50;
/** By this time the first snapshot has arrived, and all charts are drawn. */
const SETTLE_MS = 6_000;
const READY_MS = 30_000;
const HEAP_EVERY_MS = 30_000;
const HEAP_TRIES = 6;
const HEAP_TRY_MS = 170;
/** The time that buffers take to fill to their limits. */
const FILLING_MS = 150_000;

interface Screen {
  readonly name: string;
  readonly hash: string;
  readonly ready: string;
  readonly height: number;
}

/**
 * Measures how smooth the page is and whether its memory grows, with many devices and live charts: `run.js measure`.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      page: { type: "string", default: fileURLToPath(new URL("../../dist/dashboard", import.meta.url)) },
      devices: { type: "string", default: "5000" },
      charts: { type: "string", default: "50" },
      seconds: { type: "string", default: "60" },
      "heap-seconds": { type: "string", default: "0" },
      /** A list of `charts`, `list` and `overview`, separated by commas. */
      screens: { type: "string", default: "charts,list,overview" },
    },
  });
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("no Chromium found: set WEIR_CHROMIUM to its path");
  const screens: readonly Screen[] = [
    // High enough to show all charts at once.
    { name: "charts", hash: "#/device/wall?range=15m", ready: `.chart:nth-child(${values.charts})`, height: 6_400 },
    { name: "list", hash: "#/devices", ready: ".device-row", height: 1_080 },
    { name: "overview", hash: "#/", ready: ".card", height: 1_080 },
  ];
  const wanted = values.screens.split(",");
  const gateway = await startGateway(["--page", values.page, "--devices", values.devices, "--wall", values.charts]);
  const browser = await startBareBrowser(executablePath);
  try {
    const { product } = await browser.send("Browser.getVersion");
    console.log(`\nThe page: ${values.devices} devices, ${values.charts} charts at 10 Hz, ${product}`);
    let reached = true;
    for (const screen of screens.filter(({ name }) => wanted.includes(name))) {
      const opened = await openScreen(browser, gateway.url, screen);
      reached = reportOpening(screen, opened) && reached;
      reached = (await watchFrames(browser, opened.page, gateway, Number(values.seconds))) && reached;
      const heapSeconds = screen.name === "charts" ? Number(values["heap-seconds"]) : 0;
      if (heapSeconds > 0) reached = (await watchHeap(opened.page, heapSeconds)) && reached;
      await opened.page.close();
    }
    process.exitCode = reached ? 0 : 1;
  } finally {
    await browser.close();
    gateway.process.disconnect();
  }
}

interface Gateway {
  readonly url: string;
  readonly process: ChildProcess;
  cpuSeconds(): Promise<number>;
}

/** In its own process, so that its work does not count as the page's. */
async function startGateway(args: readonly string[]): Promise<Gateway> {
  const options = ["mock", "--port", "0", "--hours-before", "2", ...args];
  const child = fork(fileURLToPath(new URL("./run.js", import.meta.url)), options, { execArgv: [] });
  // On a machine with few processors it would slow down the page.
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  const answer = () =>
    new Promise<string>((resolve, reject) => {
      child.once("message", (message) => resolve(String(message)));
      child.once("exit", () => reject(new Error("the mock gateway ended")));
    });
  const url = await answer();
  return {
    url,
    process: child,
    async cpuSeconds() {
      const seconds = answer();
      child.send("cpu");
      return Number(await seconds);
    },
  };
}

interface Opened {
  readonly page: BarePage;
  readonly firstPaintMs: number;
  readonly gzippedBytes: number;
}

async function openScreen(browser: BareBrowser, url: string, screen: Screen): Promise<Opened> {
  const page = await browser.openPage({ width: 1920, height: screen.height });
  await page.send("Page.navigate", { url: `${url}${screen.hash}` });
  await page.waitFor(screen.ready, READY_MS);
  const firstPaintMs = await page.evaluate<number>(
    'performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN',
  );
  const loaded = await page.evaluate<string[]>(
    '[location.href, ...performance.getEntriesByType("resource").map(({ name }) => name)]',
  );
  const files = loaded.filter((file) => !new URL(file).pathname.startsWith("/api/"));
  const weights = await Promise.all(
    files.map(async (file) => gzipSync(await (await fetch(file)).arrayBuffer()).length),
  );
  return { page, firstPaintMs, gzippedBytes: weights.reduce((total, bytes) => total + bytes, 0) };
}

function reportOpening(screen: Screen, { firstPaintMs, gzippedBytes }: Opened): boolean {
  console.log(
    `\n${screen.name}: first contentful paint ${Math.round(firstPaintMs)} ms (target < ${FIRST_PAINT_MS_MAX}), ` +
      `${(gzippedBytes / 1000).toFixed(1)} KB gzipped (target < ${WEIGHT_BYTES_MAX / 1000})`,
  );
  return firstPaintMs < FIRST_PAINT_MS_MAX && gzippedBytes < WEIGHT_BYTES_MAX;
}

async function watchFrames(browser: BareBrowser, page: BarePage, gateway: Gateway, seconds: number): Promise<boolean> {
  await delay(SETTLE_MS);
  const before = { browser: await cpuByProcess(browser), gateway: await gateway.cpuSeconds() };
  let times: readonly number[] = [];
  const report = await recordTrace(browser, async () => {
    await page.evaluate(WATCH_FRAMES);
    await delay(seconds * 1000);
    times = await page.evaluate<number[]>("frameTimes");
  });
  const after = { browser: await cpuByProcess(browser), gateway: await gateway.cpuSeconds() };
  const intervals = durations(times.slice(1).map((ms, index) => ms - (times[index] ?? ms)));
  const visible = await page.evaluate<number>(
    `[...document.querySelectorAll(".chart")].filter((one) => one.getBoundingClientRect().top < innerHeight).length`,
  );
  const used = [...after.browser].map(([kind, cpu]) => [kind, cpu - (before.browser.get(kind) ?? 0)] as const);
  const cores = [...used, ["mock gateway", after.gateway - before.gateway] as const]
    .filter(([, cpu]) => cpu / seconds >= 0.005)
    .map(([kind, cpu]) => `${kind} ${(cpu / seconds).toFixed(2)}`);
  reportFrames(report, { intervals, visible, cores });
  return intervals.over50 === 0 && report.frames.over50 === 0 && report.tasks.over50 === 0;
}

function reportFrames(
  report: TraceReport,
  more: { readonly intervals: Durations; readonly visible: number; readonly cores: readonly string[] },
): void {
  const { seconds, work, main } = report;
  const share = (name: string, ms: number) => `${name} ${ms.toFixed(0)}`;
  console.log(
    `  ${more.visible} charts visible, traced for ${seconds.toFixed(0)} s, ${report.drawn.toFixed(0)} pictures/s`,
  );
  console.log(`  time between frames:                             ${summary(more.intervals)}`);
  console.log(`  main thread, per frame:                          ${summary(report.frames)}`);
  console.log(`  main thread, per task:                           ${summary(report.tasks)}`);
  console.log(`  the same, processor time:                        ${summary(report.tasksCpu)}`);
  console.log(
    `  main thread ${main.toFixed(0)} ms of each second: ` +
      Object.entries(work)
        .map(([name, ms]) => share(name, ms))
        .join(", "),
  );
  console.log(
    `  others, ms of each second: ${share("compositor", report.compositor)}, ${share("raster", report.raster)}, ` +
      `${share("display", report.display)}; cores: ${more.cores.join(", ")}`,
  );
}

function summary({ count, p50Ms, p99Ms, maxMs, over50 }: Durations): string {
  return (
    `${over50 === 0 ? "none" : over50} of ${count} over 50 ms ` +
    `(p50 ${p50Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)}, longest ${maxMs.toFixed(1)} ms)`
  );
}

async function cpuByProcess(browser: Session): Promise<ReadonlyMap<string, number>> {
  const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
  const seconds = new Map<string, number>();
  for (const { type, cpuTime } of processInfo as readonly { readonly type: string; readonly cpuTime: number }[]) {
    seconds.set(type, (seconds.get(type) ?? 0) + cpuTime);
  }
  return seconds;
}

interface Slope {
  readonly growth: number;
  readonly error: number;
}

interface HeapSample {
  readonly atMs: number;
  readonly kilobytes: number;
  readonly nodes: number;
  readonly listeners: number;
}

/** Whether the heap grows: fits a straight line through its size after each garbage collection. */
async function watchHeap(page: BarePage, seconds: number): Promise<boolean> {
  // A fresh page, without the list of frame times.
  await page.send("Page.reload");
  await delay(SETTLE_MS);
  await page.waitFor(".chart", READY_MS);
  await page.send("Performance.enable");
  const startedMs = performance.now();
  const samples: HeapSample[] = [];
  while (performance.now() - startedMs < seconds * 1000) {
    await delay(Math.min(HEAP_EVERY_MS, (seconds * 1000) / 4));
    const sample = await takeHeap(page, performance.now() - startedMs);
    samples.push(sample);
    console.log(
      `  heap after ${Math.round(sample.atMs / 1000)} s: ${(sample.kilobytes / 1000).toFixed(2)} MB, ` +
        `${sample.nodes} nodes, ${sample.listeners} listeners`,
    );
  }
  const settled = samples.filter(({ atMs }) => atMs >= Math.min(FILLING_MS, (seconds * 1000) / 3));
  const slopes = {
    kilobytes: slopePerMinute(settled, ({ kilobytes }) => kilobytes),
    nodes: slopePerMinute(settled, ({ nodes }) => nodes),
    listeners: slopePerMinute(settled, ({ listeners }) => listeners),
  };
  console.log(
    `  growth per minute, of the last ${settled.length} samples: ${slopes.kilobytes.growth.toFixed(0)} +- ` +
      `${slopes.kilobytes.error.toFixed(0)} KB (target < ${SLOPE_KB_PER_MINUTE_MAX}), ` +
      `${slopes.nodes.growth.toFixed(2)} nodes, ${slopes.listeners.growth.toFixed(2)} listeners`,
  );
  // Growth smaller than the scatter of the samples does not count.
  const isFlat = ({ growth, error }: Slope, most: number) => growth - error < most;
  return isFlat(slopes.kilobytes, SLOPE_KB_PER_MINUTE_MAX) && isFlat(slopes.nodes, 1) && isFlat(slopes.listeners, 1);
}

async function takeHeap(page: Session, atMs: number): Promise<HeapSample> {
  let bytes = Infinity;
  // The smallest of a few samples: between collections, new data waits for its turn.
  for (let i = 0; i < HEAP_TRIES; i++) {
    await page.send("HeapProfiler.collectGarbage");
    const { usedSize, backingStorageSize } = await page.send("Runtime.getHeapUsage");
    // The script's own heap does not include columns of numbers.
    bytes = Math.min(bytes, Number(usedSize) + Number(backingStorageSize ?? 0));
    await delay(HEAP_TRY_MS);
  }
  const { metrics } = await page.send("Performance.getMetrics");
  const metric = (name: string) =>
    (metrics as readonly { readonly name: string; readonly value: number }[]).find((one) => one.name === name)?.value ??
    Number.NaN;
  return { atMs, kilobytes: bytes / 1000, nodes: metric("Nodes"), listeners: metric("JSEventListeners") };
}

/** The slope of the least-squares line, and its uncertainty: two standard errors. */
function slopePerMinute(samples: readonly HeapSample[], value: (sample: HeapSample) => number): Slope {
  const mean = (of: (sample: HeapSample) => number) =>
    samples.reduce((total, sample) => total + of(sample), 0) / samples.length;
  const minutes = ({ atMs }: HeapSample) => atMs / 60_000;
  const [atMean, valueMean] = [mean(minutes), mean(value)];
  const spread = mean((sample) => (minutes(sample) - atMean) ** 2);
  const growth = mean((sample) => (minutes(sample) - atMean) * (value(sample) - valueMean)) / spread;
  const scatter = mean((sample) => (value(sample) - valueMean - growth * (minutes(sample) - atMean)) ** 2);
  return { growth, error: 2 * Math.sqrt(scatter / spread / Math.max(samples.length - 2, 1)) };
}

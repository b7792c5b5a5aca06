import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Browser, CDPSession, Page } from "playwright-core";
import { findChromium, launchChromium } from "./chromium.ts";
import { startMockGateway } from "./mock-gateway.ts";

/** Starts to collect what the browser itself says of frames and tasks that took longer than 50 ms. */
const OBSERVE = `
  window.slow = { frames: [], tasks: [], drawn: 0 };
  for (const [type, list] of [["long-animation-frame", slow.frames], ["longtask", slow.tasks]]) {
    new PerformanceObserver((found) => list.push(...found.getEntries().map(({ duration }) => Math.round(duration)))).observe({ type });
  }
  (function count() { slow.drawn++; requestAnimationFrame(count); })();
`;

/** How smooth the page stays with many devices and many live charts: `node dashboard/dev/run.js measure`. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      page: { type: "string", default: fileURLToPath(new URL("../../dist/dashboard", import.meta.url)) },
      devices: { type: "string", default: "5000" },
      metrics: { type: "string", default: "50" },
      seconds: { type: "string", default: "20" },
    },
  });
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("no Chromium found: set WEIR_CHROMIUM to its path");
  const gateway = await startMockGateway({
    pageDir: values.page,
    devices: Number(values.devices),
    hoursBefore: 2,
    wallMetrics: Number(values.metrics),
  });
  const browser = await launchChromium(executablePath);
  try {
    for (const [name, hash, ready, height] of [
      // So high that all charts are in sight at once.
      ["charts", "#/device/wall?range=15m", `.chart:nth-child(${values.metrics})`, 6_400],
      ["the list", "#/devices", ".device-row", 1_080],
      ["the overview", "#/", ".card", 1_080],
    ] as const) {
      const page = await openPage(browser, height);
      await page.goto(`${gateway.url}${hash}`);
      await page.locator(ready).first().waitFor({ timeout: 30_000 });
      const paintMs = await page.evaluate(
        () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN,
      );
      console.log(`${name}: first paint ${Math.round(paintMs)} ms; ${await watch(page, Number(values.seconds))}`);
      await page.context().close();
    }
  } finally {
    await browser.close();
    await gateway.stop();
  }
}

async function openPage(browser: Browser, height: number): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1920, height } });
  return await context.newPage();
}

async function watch(page: Page, seconds: number): Promise<string> {
  const session = await page.context().newCDPSession(page);
  // The first snapshot is over then, and its garbage gone.
  await page.waitForTimeout(5_000);
  const before = await heapMb(session);
  await page.evaluate(OBSERVE);
  await page.waitForTimeout(seconds * 1000);
  const slow = (await page.evaluate("slow")) as { frames: number[]; tasks: number[]; drawn: number };
  const after = await heapMb(session);
  const visible = await page.evaluate(
    () =>
      [...document.querySelectorAll(".chart")].filter((one) => one.getBoundingClientRect().top < innerHeight).length,
  );
  return (
    `${visible} charts in sight, ${Math.round(slow.drawn / seconds)} frames/s, ` +
    `frames over 50 ms: ${told(slow.frames)}, tasks over 50 ms: ${told(slow.tasks)}, ` +
    `heap ${before.toFixed(1)} -> ${after.toFixed(1)} MB`
  );
}

function told(ms: readonly number[]): string {
  return ms.length === 0 ? "none" : `${ms.length} (longest ${Math.max(...ms)} ms)`;
}

async function heapMb(session: CDPSession): Promise<number> {
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  return usedSize / 1e6;
}

import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium, launchChromium } from "../../dashboard/dev/chromium.ts";
import type { GatewayProcess } from "../servers/gateway-process.ts";
import { startGateway } from "./kit.ts";

const executablePath = findChromium();
const RULES = fileURLToPath(new URL("../../rules", import.meta.url));
const WAIT = { timeout: 30_000, interval: 100 };
/** The browser itself reports what it cannot reach; a page cannot prevent that. */
const UNREACHABLE = /WebSocket connection|ERR_CONNECTION_REFUSED|Failed to load resource/;

describe.skipIf(executablePath === undefined)("the page of a running gateway with the demo", () => {
  const undo: (() => Promise<unknown>)[] = [];
  const complaints: string[] = [];
  let gateway: GatewayProcess;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    gateway = await startGateway(undo, { rulesDir: RULES, flags: ["--demo"], keepHttpPort: true });
    browser = await launchChromium(executablePath ?? "");
    undo.push(() => browser.close());
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(WAIT.timeout);
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`http://127.0.0.1:${gateway.info.httpPort}/`);
  });

  afterAll(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  /** All numbers on all cards: they stand still only when nothing arrives. */
  function numbers(): Promise<string> {
    return page.locator(".card-number").allTextContents().then(String);
  }

  function connection(): Promise<string | null> {
    return page.locator(".connection").textContent();
  }

  test("devices appear and their numbers move", async () => {
    await expect.poll(() => page.locator(".card").count(), WAIT).toBe(12);
    const before = await numbers();
    await expect.poll(numbers, WAIT).not.toBe(before);
    expect(await connection()).toBe("Live");
  });

  test("an alert appears within half a minute", async () => {
    await page.locator(".alerts-panel .alert[data-state=firing]").first().waitFor();
  });

  test("the charts of a device move", async () => {
    await page.locator(".card[data-device=Dongsi]").click();
    const chart = page.locator('.chart[data-metric="PM2.5"]');
    const points = async () => Number(await chart.getAttribute("data-points"));
    const picture = () => page.evaluate("document.querySelector('.chart[data-metric=\"PM2.5\"] canvas').toDataURL()");
    await expect.poll(points, WAIT).toBeGreaterThan(2);
    const [pointsBefore, pictureBefore] = [await points(), await picture()];
    await expect.poll(points, WAIT).toBeGreaterThan(pointsBefore);
    await expect.poll(picture, WAIT).not.toBe(pictureBefore);
    expect(complaints).toEqual([]);
  });

  test("the gateway is killed and comes back: the page says so, and goes on without a reload", async () => {
    await page.locator(".brand").click();
    await page.evaluate("window.stayed = true");
    await gateway.kill();
    await expect.poll(connection, WAIT).toMatch(/^Disconnected since \d\d:\d\d:\d\d, reconnecting/);
    expect(await page.locator(".card").count()).toBe(12);
    await gateway.start();
    await expect.poll(connection, WAIT).toBe("Live");
    const before = await numbers();
    await expect.poll(numbers, WAIT).not.toBe(before);
    expect(await page.evaluate("window.stayed")).toBe(true);
    expect(complaints.filter((text) => !UNREACHABLE.test(text))).toEqual([]);
  });
});

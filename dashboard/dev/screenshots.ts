import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Browser } from "playwright-core";
import { findChromium, launchChromium } from "./chromium.ts";

const VIEWS = [
  { name: "wide", width: 1440, height: 900 },
  { name: "phone", width: 390, height: 844 },
] as const;
const THEMES = ["light", "dark"] as const;
const WAIT_MS = 15_000;

/** Takes pictures of every screen in both themes and two sizes: `--url` names a running gateway, or the mock one. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      url: { type: "string", default: "http://127.0.0.1:8080/" },
      out: { type: "string", default: "screenshots" },
      device: { type: "string" },
      /** Lets rates and live lines gather before the picture. */
      "settle-ms": { type: "string", default: "6000" },
      full: { type: "boolean", default: false },
    },
  });
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("no Chromium found: set WEIR_CHROMIUM to its path");
  await mkdir(values.out, { recursive: true });
  const browser = await launchChromium(executablePath);
  try {
    const device = values.device ?? (await firstDevice(browser, values.url));
    const screens = [
      { name: "overview", hash: "#/", ready: ".card" },
      { name: "alerts", hash: "#/alerts", ready: ".alerts-screen" },
      ...(device === undefined
        ? []
        : [{ name: "device", hash: `#/device/${encodeURIComponent(device)}`, ready: ".chart" }]),
    ];
    for (const theme of THEMES) {
      for (const view of VIEWS) {
        const pages = await Promise.all(
          screens.map(async (screen) => {
            const page = await browser.newPage({
              viewport: { width: view.width, height: view.height },
              deviceScaleFactor: view.name === "phone" ? 2 : 1,
              colorScheme: theme,
            });
            await page.goto(new URL(screen.hash, values.url).href);
            await page.waitForSelector(screen.ready, { timeout: WAIT_MS });
            return { page, screen };
          }),
        );
        await new Promise((settled) => setTimeout(settled, Number(values["settle-ms"])));
        for (const { page, screen } of pages) {
          const path = join(values.out, `${screen.name}-${view.name}-${theme}.png`);
          await page.screenshot({ path, fullPage: values.full });
          await page.close();
          console.log(path);
        }
      }
    }
  } finally {
    await browser.close();
  }
}

/** One with an alert, if there is any: its picture says most. */
async function firstDevice(browser: Browser, url: string): Promise<string | undefined> {
  const page = await browser.newPage();
  try {
    await page.goto(url);
    await page.waitForSelector(".card", { timeout: WAIT_MS });
    const card = (await page.$(".card[data-state=firing]")) ?? (await page.$(".card"));
    return (await card?.getAttribute("data-device")) ?? undefined;
  } finally {
    await page.close();
  }
}

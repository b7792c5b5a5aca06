import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Browser, Page } from "playwright-core";
import { findChromium, launchChromium } from "./chromium.ts";
import { drawContactSheet } from "./contact-sheet.ts";
import { startMockGateway } from "./mock-gateway.ts";

const VIEWS = [
  { name: "wide", width: 1440, height: 900, sheet: { pictureWidth: 620, pictureHeight: 388 } },
  { name: "phone", width: 390, height: 844, sheet: { pictureWidth: 302, pictureHeight: 540 } },
] as const;
const THEMES = ["light", "dark"] as const;
const WAIT_MS = 60_000;

interface Screen {
  readonly name: string;
  readonly path: string;
  readonly ready: string;
}

/**
 * Takes pictures of every screen in both themes and two sizes, and draws all of a kind on one sheet. `--url` names a running gateway; without it, the built
 * page is shown with made-up data.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      url: { type: "string" },
      page: { type: "string", default: fileURLToPath(new URL("../../dist/dashboard", import.meta.url)) },
      out: { type: "string", default: "screenshots" },
      only: { type: "string" },
      /** Lets rates and live lines gather before the picture. */
      "settle-ms": { type: "string", default: "6000" },
      full: { type: "boolean", default: false },
    },
  });
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("no Chromium found: set WEIR_CHROMIUM to its path");
  await mkdir(values.out, { recursive: true });
  const mock =
    values.url === undefined
      ? await startMockGateway({ pageDir: values.page, devices: 12, stepEveryMs: 2000 })
      : undefined;
  const url = values.url ?? mock?.url ?? "";
  // A gateway that asks for a token; a running one may ask for none.
  const asking = await startMockGateway({ pageDir: values.page, devices: 1, token: "screenshots-screenshots" });
  const browser = await launchChromium(executablePath);
  try {
    const login = { name: "login", path: asking.url, ready: ".login" };
    const screens = [...(await screensOf(browser, url)), login].filter(({ name }) => (values.only ?? name) === name);
    for (const theme of THEMES) {
      for (const view of VIEWS) {
        const pages = await Promise.all(screens.map((screen) => openScreen(browser, { url, screen, view, theme })));
        await new Promise((settled) => setTimeout(settled, Number(values["settle-ms"])));
        const paths: string[] = [];
        for (const [index, page] of pages.entries()) {
          const path = join(values.out, `${screens[index]?.name}-${view.name}-${theme}.png`);
          await page.screenshot({ path, fullPage: values.full });
          await page.close();
          console.log(path);
          paths.push(path);
        }
        const name = `${view.name}-${theme}`;
        console.log(await drawContactSheet(browser, paths, { folder: values.out, name, ...view.sheet }));
      }
    }
  } finally {
    await browser.close();
    await Promise.all([mock?.stop(), asking.stop()]);
  }
}

async function openScreen(
  browser: Browser,
  about: {
    readonly url: string;
    readonly screen: Screen;
    readonly view: (typeof VIEWS)[number];
    readonly theme: (typeof THEMES)[number];
  },
): Promise<Page> {
  const { url, screen, view, theme } = about;
  const page = await browser.newPage({
    viewport: { width: view.width, height: view.height },
    deviceScaleFactor: view.name === "phone" ? 2 : 1,
    colorScheme: theme,
  });
  await page.goto(new URL(screen.path, url).href);
  await page.waitForSelector(screen.ready, { timeout: WAIT_MS });
  return page;
}

/** Every screen, those of one thing with the thing whose picture says most. */
async function screensOf(browser: Browser, url: string): Promise<readonly Screen[]> {
  const page = await browser.newPage();
  try {
    await page.goto(url);
    await page.waitForSelector(".card", { timeout: WAIT_MS });
    const card = (await page.$(".card[data-state=firing]")) ?? (await page.$(".card"));
    const device = (await card?.getAttribute("data-device")) ?? "";
    const incident = await page.getAttribute(".alert", "href", { timeout: WAIT_MS });
    await page.goto(new URL("#/rules", url).href);
    const rule = await page.getAttribute(".rule-row", "href", { timeout: WAIT_MS });
    await page.goto(new URL("#/pipeline", url).href);
    await page.waitForSelector(".letters, .panel .quiet");
    const letter = await page.$(".letter");
    const letterPath = await letter?.getAttribute("href");
    return [
      { name: "overview", path: "#/", ready: ".card" },
      { name: "devices", path: "#/devices", ready: ".device-row" },
      { name: "device", path: `#/device/${encodeURIComponent(device)}`, ready: ".chart" },
      { name: "alerts", path: "#/alerts", ready: ".alerts-screen" },
      ...(incident === null ? [] : [{ name: "incident", path: incident, ready: ".why" }]),
      { name: "rules", path: "#/rules", ready: ".rule-row" },
      ...(rule === null ? [] : [{ name: "rule", path: rule, ready: ".group-row" }]),
      { name: "pipeline", path: "#/pipeline", ready: ".flow-node" },
      ...(letterPath ? [{ name: "letter", path: letterPath, ready: ".payload" }] : []),
      { name: "kiosk", path: "?kiosk=1#/", ready: ".card" },
    ];
  } finally {
    await page.close();
  }
}

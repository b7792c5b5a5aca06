import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Browser, Page } from "playwright-core";
import { findChromium, launchChromium } from "./chromium.ts";
import { drawContactSheet } from "./contact-sheet.ts";
import { type MockGateway, startMockGateway } from "./mock-gateway.ts";
import { addressOf, SCREEN_VISITS, VISITS } from "./screens.ts";

const VIEWS = [
  { name: "wide", width: 1440, height: 900, sheet: { pictureWidth: 620, pictureHeight: 388 } },
  { name: "phone", width: 390, height: 844, sheet: { pictureWidth: 302, pictureHeight: 540 } },
] as const;
const THEMES = ["light", "dark"] as const;
const WAIT_MS = 60_000;
const STEPS = 3;

interface Picture {
  readonly name: string;
  readonly url: string;
  readonly ready: string;
}

/**
 * Takes screenshots of every screen in both themes and two sizes, and puts those of one theme and size on one sheet.
 * With `--url`, shows a running gateway; otherwise the built page shows made-up data.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      url: { type: "string" },
      page: { type: "string", default: fileURLToPath(new URL("../../dist/dashboard", import.meta.url)) },
      out: { type: "string", default: "screenshots" },
      only: { type: "string" },
      /** Time to gather rates and live lines before the screenshot. */
      "settle-ms": { type: "string", default: "6000" },
      full: { type: "boolean", default: false },
    },
  });
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("no Chromium found: set WEIR_CHROMIUM to its path");
  await mkdir(values.out, { recursive: true });
  const mock =
    values.url === undefined
      ? await startMockGateway({ pageDir: values.page, devices: 12, stepEveryMs: 0 })
      : undefined;
  const url = values.url ?? mock?.url ?? "";
  // For the login screen, because a running gateway may need no token.
  const asking = await startMockGateway({ pageDir: values.page, devices: 1, token: "screenshots-screenshots" });
  const browser = await launchChromium(executablePath);
  try {
    const login = { name: "login", url: asking.url, ready: ".login" };
    const screens = [...(await picturesOf(browser, url)), login].filter(({ name }) => (values.only ?? name) === name);
    for (const theme of THEMES) {
      for (const view of VIEWS) {
        const pages = await Promise.all(screens.map((screen) => openPicture(browser, screen, { view, theme })));
        await settle(Number(values["settle-ms"]), mock);
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

/** Moves the made-up world by a fixed number of steps, so that its alerts do not depend on the machine. */
async function settle(ms: number, mock: MockGateway | undefined): Promise<void> {
  for (let step = 0; step < STEPS; step++) {
    mock?.step();
    await delay(ms / STEPS);
  }
}

async function openPicture(
  browser: Browser,
  picture: Picture,
  look: { readonly view: (typeof VIEWS)[number]; readonly theme: (typeof THEMES)[number] },
): Promise<Page> {
  const { view, theme } = look;
  const page = await browser.newPage({
    viewport: { width: view.width, height: view.height },
    deviceScaleFactor: view.name === "phone" ? 2 : 1,
    colorScheme: theme,
  });
  await page.goto(picture.url);
  await page.waitForSelector(picture.ready, { timeout: WAIT_MS });
  return page;
}

/** Every screen for which the gateway has something to show, and the overview as it appears on a wall. */
async function picturesOf(browser: Browser, gatewayUrl: string): Promise<readonly Picture[]> {
  const page = await browser.newPage();
  page.setDefaultTimeout(WAIT_MS);
  try {
    const pictures: Picture[] = [];
    const [overview] = VISITS.overview;
    for (const visit of [...SCREEN_VISITS, { ...overview, name: "kiosk", kiosk: true } as const]) {
      const url = await addressOf(page, gatewayUrl, visit);
      if (url !== undefined) pictures.push({ name: visit.name, url, ready: visit.ready });
    }
    return pictures;
  } finally {
    await page.close();
  }
}

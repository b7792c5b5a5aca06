import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessibilityProblems } from "./dev/axe.ts";
import { findChromium } from "./dev/chromium.ts";
import { type MockGateway, startMockGateway } from "./dev/mock-gateway.ts";
import { openPageKit, type PageKit } from "./dev/page-kit.ts";

const executablePath = findChromium();
const WAIT_MS = 15_000;
const LOOKS = [
  { look: "light", colorScheme: "light", width: 1280 },
  { look: "dark", colorScheme: "dark", width: 1280 },
  { look: "phone", colorScheme: "light", width: 390 },
] as const;

/** With everything open that a screen can open; `ready` is there once the screen is whole. */
const SCREENS: readonly {
  readonly name: string;
  readonly path: string;
  readonly ready: string;
  prepare?(page: Page): Promise<void>;
}[] = [
  { name: "overview", path: "#/", ready: ".card" },
  { name: "devices", path: "#/devices", ready: ".device-row" },
  { name: "device", path: "#/device/Dongsi", ready: ".chart canvas" },
  { name: "alerts", path: "#/alerts", ready: ".changes tr, .alert" },
  { name: "incident", path: "", ready: ".why > li", prepare: openOrders },
  { name: "rules", path: "#/rules", ready: ".rule-row" },
  { name: "rule", path: "#/rules/no2-high", ready: ".group-row" },
  { name: "pipeline", path: "#/pipeline", ready: ".letter-row", prepare: retryAll },
  { name: "letter", path: "#/dead-letters/2", ready: ".payload" },
  { name: "letter that was retried", path: "#/dead-letters/3", ready: ".payload", prepare: retryLetter },
  { name: "letter that is not there", path: "#/dead-letters/x", ready: "h1" },
  { name: "kiosk", path: "?kiosk=1#/", ready: ".card" },
  { name: "kiosk's pipeline", path: "?kiosk=1#/pipeline", ready: ".letter-row" },
  { name: "keys", path: "#/", ready: ".card", prepare: openHelp },
];

async function openOrders(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Silence" }).click();
  await page.getByRole("button", { name: "Silence it" }).waitFor();
}

async function retryLetter(page: Page): Promise<void> {
  const button = page.getByRole("button", { name: "Retry letter 3" });
  if ((await button.count()) > 0) await button.click();
  await page.locator(".retry-outcome").waitFor();
}

async function retryAll(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Retry all" }).click();
  await page.locator(".retry-outcome").first().waitFor();
}

async function openHelp(page: Page): Promise<void> {
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
}

describe.skipIf(executablePath === undefined)("each screen can be used with an assistive device", () => {
  let kit: PageKit;
  let gateway: MockGateway;

  beforeAll(async () => {
    kit = await openPageKit(executablePath ?? "");
    gateway = await startMockGateway({ pageDir: kit.pageDir, stepEveryMs: 0, hoursBefore: 24 * 10 });
    gateway.send("alerts", [gateway.world.change("Dongsi", "firing")]);
  }, 60_000);

  afterAll(async () => {
    await gateway?.stop();
    await kit?.close();
  });

  async function incidentPath(page: Page): Promise<string> {
    await page.goto(`${gateway.url}#/alerts`);
    return (await page.locator(".alert").first().getAttribute("href")) ?? "";
  }

  test.each(LOOKS)(
    "$look",
    async ({ colorScheme, width }) => {
      const page = await kit.open(gateway.url, { colorScheme, width });
      const problems: string[] = [];
      for (const { name, path, ready, prepare } of SCREENS) {
        const hash = path === "" ? await incidentPath(page) : path;
        // A new document each time: what a screen leaves behind belongs to none.
        await page.goto("about:blank");
        await page.goto(`${gateway.url}${hash}`);
        await page.locator(ready).first().waitFor({ timeout: WAIT_MS });
        await prepare?.(page);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (overflow > 0) problems.push(`${name}: ${overflow} px wider than the window`);
        for (const problem of await accessibilityProblems(page)) problems.push(`${name}: ${problem}`);
      }
      await page.context().close();
      expect(problems).toEqual([]);
    },
    180_000,
  );

  test.each(LOOKS)("login: $look", async ({ colorScheme, width }) => {
    const closed = await startMockGateway({ pageDir: kit.pageDir, stepEveryMs: 0, token: "open-sesame-open" });
    const page = await kit.open(closed.url, { colorScheme, width });
    try {
      await page.goto(closed.url);
      await page.getByLabel("Token").fill("wrong-wrong-wrong");
      await page.keyboard.press("Enter");
      await page.getByText("The gateway does not know this token").waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
    } finally {
      await page.context().close();
      await closed.stop();
    }
  });
});

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { accessibilityProblems } from "./dev/axe.ts";
import { findChromium } from "./dev/chromium.ts";
import { deviceItem } from "./dev/device-item.ts";
import { type MockGateway, startMockGateway } from "./dev/mock-gateway.ts";
import { openPageKit, type PageKit } from "./dev/page-kit.ts";
import { KIOSK_VISITS, SCREEN_VISITS, type Visit, visit } from "./dev/screens.ts";
import { hrefOf, screensOf } from "./src/app/screen.ts";
import { SCREENS } from "./src/screens.tsx";

const executablePath = findChromium();
const WAIT = { timeout: 15_000 };

describe.skipIf(executablePath === undefined)("the page in a browser", () => {
  let pageDir: string;
  let kit: PageKit;
  let gateway: MockGateway;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    kit = await openPageKit(executablePath ?? "");
    ({ pageDir, complaints } = kit);
  }, 60_000);

  afterAll(() => kit?.close());

  beforeEach(async () => {
    complaints.length = 0;
    gateway = await startMockGateway({ pageDir, stepEveryMs: 0, hoursBefore: 24 * 10 });
    page = await openPage();
  });

  afterEach(async () => {
    await page.context().close();
    await gateway.stop();
  });

  const openPage = (look?: Parameters<PageKit["open"]>[1]) => kit.open(gateway.url, look);

  async function pointsOf(metric: string): Promise<number> {
    const points = await page.locator(`.chart[data-metric="${metric}"]`).getAttribute("data-points");
    return Number(points);
  }

  test("devices and their last values appear and follow the feed", async () => {
    await page.goto(gateway.url);
    const number = page.locator(".card[data-device=Dongsi] .card-number");
    await number.waitFor();
    await expect.poll(() => page.locator(".card").count(), WAIT).toBe(12);
    const last = gateway.world.devices().find(({ device }) => device === "Dongsi")?.metrics["PM2.5"];
    await expect.poll(() => number.textContent(), WAIT).toBe(String(last?.value));

    gateway.step();
    const next = gateway.world.devices().find(({ device }) => device === "Dongsi")?.metrics["PM2.5"];
    await expect.poll(() => number.textContent(), WAIT).toBe(String(next?.value));
    expect(complaints).toEqual([]);
  });

  test("charts show the past and add live points", async () => {
    await page.goto(`${gateway.url}#/device/Dongsi`);
    await page.locator('.chart[data-metric="PM2.5"]').waitFor();
    // Hourly readings: the page chooses a week, which holds 168 of them.
    await expect.poll(() => pointsOf("PM2.5"), WAIT).toBeGreaterThan(160);
    expect(await page.locator(".ranges [aria-pressed=true]").textContent()).toBe("7 days");

    await page.getByRole("button", { name: "30 days" }).click();
    await expect.poll(() => pointsOf("PM2.5"), WAIT).toBeGreaterThan(230);
    gateway.step();
    gateway.step();
    const newest = gateway.world.devices().find(({ device }) => device === "Dongsi")?.metrics["PM2.5"]?.value;
    const shown = page.locator('.chart[data-metric="PM2.5"] .chart-value');
    await expect.poll(() => shown.textContent(), WAIT).toBe(String(newest));
    expect(new URL(page.url()).hash).toBe("#/device/Dongsi?tags.site=urban&range=30d");
    await expect
      .poll(() => page.locator(".word[data-metric=wd] .word-current").textContent(), WAIT)
      .toMatch(/^[NESW]{1,3}$/);
    const timeline = page.locator(".word[data-metric=wd]");
    await expect.poll(async () => Number(await timeline.getAttribute("data-runs")), WAIT).toBeGreaterThan(50);
    await timeline.locator("canvas").hover({ position: { x: 300, y: 15 } });
    await expect.poll(() => timeline.locator(".word-since").textContent(), WAIT).toMatch(/ · \d+ h/);
    expect(complaints).toEqual([]);
  });

  describe("with two devices of one name", () => {
    const phone = (user: string, batt: number) => deviceItem("phone", { user }, { batt });

    beforeEach(async () => {
      await gateway.stop();
      const moreDevices = [phone("anna", 81), phone("bert", 12)];
      gateway = await startMockGateway({ pageDir, stepEveryMs: 0, hoursBefore: 24, moreDevices });
      await page.context().close();
      page = await openPage();
    });

    test("each has its own card, screen and alerts", async () => {
      await page.goto(gateway.url);
      const cards = page.locator(".card[data-device=phone]");
      await expect.poll(() => cards.count(), WAIT).toBe(2);
      // The phones are live, and the stations replay a recording.
      await expect
        .poll(() => page.locator(".time-note-sub").textContent(), WAIT)
        .toMatch(/^Live, and recorded data of \d+ \w+ \d{4} · /);
      const bert = cards.filter({ hasText: "user bert" });
      gateway.send("alerts", [{ ...gateway.world.change("phone", "firing"), key: { device: "phone", user: "bert" } }]);
      await expect.poll(() => bert.getAttribute("data-state"), WAIT).toBe("firing");
      expect(await cards.filter({ hasText: "user anna" }).getAttribute("data-state")).toBe(null);
      await bert.click();
      await page.locator(".chart-value", { hasText: "12" }).waitFor();
      expect(new URL(page.url()).hash).toBe("#/device/phone?tags.user=bert");
      expect(await page.locator(".device-tags .tag").textContent()).toBe("user bert");
      // Its first reading: a longer range would show nothing.
      await expect.poll(() => page.locator(".ranges [aria-pressed=true]").textContent(), WAIT).toBe("15 min");
      await expect
        .poll(() => page.locator(".device-alerts .alert-subject").allTextContents(), WAIT)
        .toEqual(["phone · user bert"]);
      expect(complaints).toEqual([]);
    });

    test("an address that fits both lets people choose", async () => {
      await page.goto(`${gateway.url}#/device/phone`);
      await page.locator(".device-choices a", { hasText: "anna" }).click();
      await page.locator(".chart-value", { hasText: "81" }).waitFor();
      await page.goto(`${gateway.url}#/devices?device=phone&tags.user=bert`);
      await page.locator(".screen-words", { hasText: "Only devices named phone with user bert." }).waitFor();
      await expect.poll(() => page.locator(".device-row").count(), WAIT).toBe(1);
      expect(complaints).toEqual([]);
    });
  });

  test("an unknown device says so, and appears with its first reading", async () => {
    await page.goto(`${gateway.url}#/device/cold-7?tags.site=north`);
    await page.getByRole("heading", { name: "No such device" }).waitFor();
    expect(await page.locator(".empty").textContent()).toContain("a device of this name with site north");
    gateway.send("devices", [deviceItem("cold-7", { site: "north" }, { temperature: 4.5 })]);
    await page.locator(".device-tags", { hasText: "last seen" }).waitFor();
    await expect.poll(() => page.getByRole("heading", { name: "No such device" }).count(), WAIT).toBe(0);
    await page.goto(`${gateway.url}#/device/${"n".repeat(1_000)}`);
    await page.getByRole("heading", { name: "No such device" }).waitFor();
    const tooWide = await page.evaluate(() => document.body.scrollWidth - innerWidth);
    expect(tooWide).toBeLessThanOrEqual(0);
    expect(complaints).toEqual([]);
  });

  test("an alert appears, fires and resolves", async () => {
    await page.goto(gateway.url);
    await page.locator(".card").first().waitFor();
    const row = page.locator(".alerts-panel .alert[data-rule=by-hand]");
    expect(await row.count()).toBe(0);

    gateway.send("alerts", [gateway.world.change("Dongsi", "pending")]);
    await expect.poll(() => row.first().getAttribute("data-state"), WAIT).toBe("pending");
    gateway.send("alerts", [gateway.world.change("Dongsi", "firing")]);
    await expect.poll(() => row.first().getAttribute("data-state"), WAIT).toBe("firing");
    expect(await row.first().textContent()).toContain("Critical");
    const card = page.locator(".card[data-device=Dongsi]");
    await expect.poll(() => card.getAttribute("data-state"), WAIT).toBe("firing");
    await expect.poll(() => page.getByRole("status").textContent(), WAIT).toMatch(/Firing alerts: .*critical/);

    gateway.send("alerts", [gateway.world.change("Dongsi", "resolved")]);
    await expect.poll(() => row.first().getAttribute("data-state"), WAIT).toBe("resolved");
    await page.getByRole("link", { name: /^Alerts/ }).click();
    await page.locator(".changes tr[data-state=resolved]", { hasText: "By hand: Dongsi" }).waitFor();
    expect(complaints).toEqual([]);
  });

  test("a lost connection shows in plain words, and the page recovers", async () => {
    await page.goto(gateway.url);
    const connection = page.locator(".connection");
    await expect.poll(() => connection.textContent(), WAIT).toBe("Live");
    await page.locator(".card").first().waitFor();

    gateway.disconnect();
    await expect
      .poll(() => connection.textContent(), WAIT)
      .toMatch(/^Disconnected since \d\d:\d\d:\d\d, reconnecting$/);
    expect(await page.locator(".card").count()).toBe(12);

    gateway.reconnect();
    await expect.poll(() => connection.textContent(), WAIT).toBe("Live");
    gateway.step();
    const next = gateway.world.devices().find(({ device }) => device === "Dongsi")?.metrics["PM2.5"];
    const number = page.locator(".card[data-device=Dongsi] .card-number");
    await expect.poll(() => number.textContent(), WAIT).toBe(String(next?.value));
    // The browser itself reports refused WebSockets. No other report may appear.
    expect(complaints.filter((text) => !text.includes("WebSocket connection"))).toEqual([]);
  });

  test.each(["light", "dark"] as const)("follows the system's %s theme and keeps a chosen one", async (colorScheme) => {
    await page.context().close();
    page = await openPage({ colorScheme });
    await page.goto(gateway.url);
    await page.locator(".card").first().waitFor();
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const ofSystem = await ground();
    const brightness = Number(/\d+/.exec(ofSystem)?.[0]);
    expect(colorScheme === "light" ? brightness > 200 : brightness < 60).toBe(true);

    // system -> dark -> light
    const button = page.getByRole("button", { name: /^Theme/ });
    await button.click();
    if (colorScheme === "dark") await button.click();
    await expect.poll(ground, WAIT).not.toBe(ofSystem);
    const chosen = await ground();
    await page.reload();
    await page.locator(".card").first().waitFor();
    expect(await ground()).toBe(chosen);
    expect(complaints).toEqual([]);
  });

  test("the first Tab skips the header, and each screen fits a phone", async () => {
    await page.context().close();
    page = await openPage({ width: 390 });
    await page.goto(gateway.url);
    await page.locator(".card").first().waitFor();
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to content");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.evaluate(() => document.activeElement?.tagName), WAIT).toBe("MAIN");
    for (const screen of SCREEN_VISITS) {
      await visit(page, gateway.url, screen);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow, `${screen.name} is wider than the phone`).toBeLessThanOrEqual(0);
    }
    expect(complaints).toEqual([]);
  });

  test("problems of rule files show on the rules screen and in the health panel", async () => {
    gateway.api.notice = "The rule files have problems (a.yaml:3): the previous rules stay in force.";
    await page.goto(`${gateway.url}#/rules`);
    const notice = page.locator(".rules-screen .note-warning");
    await expect.poll(() => notice.textContent(), WAIT).toBe(gateway.api.notice);
    await page.goto(`${gateway.url}#/`);
    const detail = page.locator(".health li[data-notice=true] .health-detail");
    await expect.poll(() => detail.textContent(), WAIT).toBe(gateway.api.notice);
    expect(await accessibilityProblems(page)).toEqual([]);
    gateway.api.notice = undefined;
    await page.reload();
    await expect.poll(() => page.locator(".health li").count(), WAIT).toBe(5);
    expect(await detail.count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test("without readings the overview says how to start", async () => {
    await page.context().close();
    await gateway.stop();
    gateway = await startMockGateway({ pageDir, stepEveryMs: 0, devices: 0 });
    page = await openPage();
    await page.goto(gateway.url);
    await page.getByText("No readings yet").waitFor();
    expect(await page.locator(".empty").textContent()).toContain("weir simulate");
    expect(complaints).toEqual([]);
  });

  test("the page asks for a token once and keeps it for the tab", async () => {
    await page.context().close();
    await gateway.stop();
    gateway = await startMockGateway({ pageDir, stepEveryMs: 0, hoursBefore: 24, token: "open-sesame-open" });
    page = await openPage();
    await page.goto(`${gateway.url}#/devices`);
    await page.getByText("This gateway requires a token.").waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.getByLabel("Token").fill("wrong-wrong-wrong");
    await page.keyboard.press("Enter");
    await page.getByText("The gateway does not know this token").waitFor();
    await page.getByLabel("Token").fill("open-sesame-open");
    await page.keyboard.press("Enter");
    await page.locator(".device-row").first().waitFor();
    await page.reload();
    await page.locator(".device-row").first().waitFor();
    expect(await page.evaluate(() => [sessionStorage.length, JSON.stringify(localStorage)])).toEqual([1, "{}"]);
  });

  test("keys lead to every screen", async () => {
    await page.goto(gateway.url);
    await page.locator(".card").first().waitFor();
    for (const screen of screensOf(SCREENS)) {
      if (screen.key === undefined) continue;
      await page.keyboard.press("g");
      await page.keyboard.press(screen.key);
      await page.locator(`main[aria-label="${screen.link}"] h1`).waitFor();
      await expect.poll(() => new URL(page.url()).hash, WAIT).toBe(hrefOf(screen));
      await expect.poll(() => page.locator(".nav a[aria-current=page]").textContent(), WAIT).toContain(screen.link);
    }
    await page.keyboard.press("g");
    await page.keyboard.press("d");
    await page.locator(".device-row").first().waitFor();
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute("data-device"));
    await page.keyboard.press("j");
    await expect.poll(focused, WAIT).toBeTruthy();
    const first = await focused();
    await page.keyboard.press("j");
    await expect.poll(focused, WAIT).not.toBe(first);
    await page.keyboard.press("k");
    await expect.poll(focused, WAIT).toBe(first);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: first ?? "" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { level: 1, name: "Devices" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("gdong");
    await expect.poll(() => page.evaluate(() => location.hash), WAIT).toBe("#/devices?find=gdong");
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await expect.poll(() => page.getByRole("dialog").count(), WAIT).toBe(0);
    expect(complaints).toEqual([]);
  });

  test.each(KIOSK_VISITS)("$name: nothing to press", async (screen: Visit) => {
    await visit(page, gateway.url, screen);
    expect(await page.locator(".header").count()).toBe(0);
    expect(await page.locator("button:visible, input:visible, select:visible").count()).toBe(0);
    expect(await page.evaluate(() => Number.parseFloat(getComputedStyle(document.documentElement).fontSize))).toBe(20);
    gateway.disconnect();
    await expect.poll(() => page.locator(".disconnected-bar").textContent(), WAIT).toMatch(/No connection/);
  });

  test("of 5,000 devices only the rows near the window exist, and all can be reached and searched", async () => {
    await page.context().close();
    await gateway.stop();
    gateway = await startMockGateway({ pageDir, stepEveryMs: 0, hoursBefore: 2, devices: 5_000 });
    page = await openPage();
    await page.goto(`${gateway.url}#/devices`);
    await expect.poll(() => page.locator(".screen-head .count").textContent(), WAIT).toBe("5000");
    expect(await page.locator(".device-row").count()).toBeLessThan(60);
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await page.locator("li[aria-posinset='5000'] .device-row").waitFor();
    expect(await page.locator(".device-row").count()).toBeLessThan(60);
    await page.getByPlaceholder("Find devices").fill("dongsi-99");
    await expect.poll(() => page.locator(".screen-head .count").textContent(), WAIT).toMatch(/^\d+ of 5000$/);
    await page.locator(".device-row[data-device=Dongsi-99]").waitFor();
  });

  test("the accessibility check finds a problem", async () => {
    await page.goto(gateway.url);
    await page.locator(".card").first().waitFor();
    await page.evaluate(() => document.querySelector("h1")?.setAttribute("style", "color: #eee"));
    expect(String(await accessibilityProblems(page))).toContain("color-contrast");
  });

  test("the page weighs less than 200 KB", async () => {
    const files = await readdir(pageDir, { recursive: true, withFileTypes: true });
    const sizes = files
      .filter((file) => file.isFile())
      .map(async (file) => gzipSync(await readFile(join(file.parentPath, file.name))).length);
    const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeLessThan(200_000);
  });
});

import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { DeviceItem } from "../contracts/feed/protocol.ts";
import { accessibilityProblems } from "./dev/axe.ts";
import { findChromium } from "./dev/chromium.ts";
import { type MockGateway, type MockOptions, startMockGateway } from "./dev/mock-gateway.ts";
import { openPageKit, type PageKit } from "./dev/page-kit.ts";

const executablePath = findChromium();
const WAIT = { timeout: 15_000 };
const HOUR_US = 3_600_000_000;

const nowUs = () => Date.now() * 1000;
const silent = (item: DeviceItem): DeviceItem => ({
  ...item,
  lastSeenUs: nowUs() - 2 * HOUR_US - 30_000_000,
  silentFromUs: nowUs() - HOUR_US,
});

/** Its thermometer has stopped, and the rest of the device sends. */
function withDeadSensor(item: DeviceItem): DeviceItem {
  const { TEMP } = item.metrics;
  if (TEMP === undefined) return item;
  const dead = { ...TEMP, seenUs: nowUs() - 3 * HOUR_US - 30_000_000, silentFromUs: nowUs() - HOUR_US };
  return { ...item, metrics: { TEMP: dead, "PM2.5": item.metrics["PM2.5"] ?? dead } };
}

describe.skipIf(executablePath === undefined)("the headline in a browser", () => {
  let kit: PageKit;
  let gateway: MockGateway;
  let page: Page;

  beforeAll(async () => {
    kit = await openPageKit(executablePath ?? "");
  }, 60_000);

  afterAll(() => kit?.close());

  afterEach(async () => {
    await page.context().close();
    await gateway.stop();
    expect(kit.complaints.splice(0)).toEqual([]);
  });

  /** Hours before the first alert fires, unless a test needs one. */
  async function open(options: Partial<MockOptions>, at = "", width = 1280): Promise<void> {
    gateway = await startMockGateway({ pageDir: kit.pageDir, stepEveryMs: 0, hoursBefore: 3, ...options });
    page = await kit.open(gateway.url, { width });
    await page.goto(`${gateway.url}${at}`);
  }

  const title = () => page.locator(".headline h1").textContent();
  const tick = () => page.locator(".headline .icon-ok").count();
  const facts = () => page.locator(".fact").allTextContents();

  test("all is well with a tick only while everything sends and a rule watches", async () => {
    await open({ devices: 12 });
    await expect.poll(title, WAIT).toBe("All well");
    await expect.poll(tick, WAIT).toBe(1);
    await expect.poll(facts, WAIT).toContain("9 metrics not watched");
    await expect.poll(() => page.locator(".site-card .icon-ok").count(), WAIT).toBe(4);

    // An hour later nobody has sent anything.
    gateway.send("devices", gateway.world.devices().map(silent));
    await expect.poll(title, WAIT).toBe("All 12 devices are silent");
    expect(await tick()).toBe(0);
    await expect.poll(() => page.locator(".site-card .icon-ok").count(), WAIT).toBe(0);
  });

  test("998 of 1,000 silent devices are said, listed, and leave no site with a tick", async () => {
    await open({ devices: 1_000, edit: (item, index) => (index < 998 ? silent(item) : item) });
    await expect.poll(title, WAIT).toBe("998 devices silent");
    expect(await page.locator(".site-card .icon-ok").count()).toBe(0);
    await expect
      .poll(async () => (await page.locator(".site-card-words").allTextContents()).join(), WAIT)
      .toMatch(/· \d+ silent/);
    await page.locator(".headline h1 a").click();
    await expect.poll(() => page.locator(".screen-head .count").textContent(), WAIT).toBe("998 of 1000");
  });

  test("a page that loses its connection does not call the devices silent", async () => {
    await open({ devices: 3, edit: (item) => ({ ...item, silentFromUs: nowUs() + 4_000_000 }) });
    await expect.poll(title, WAIT).toBe("All well");
    gateway.disconnect();
    await expect.poll(title, WAIT).toBe("Not connected");
    await page.locator(".disconnected-bar", { hasText: / [6-9] s/ }).waitFor();
    expect(await page.locator(".card-silent").count()).toBe(0);
    kit.complaints.length = 0;
  });

  test("without rules nothing is watched, and the rules screen is one press away", async () => {
    await open({ devices: 12, rules: false });
    await expect.poll(title, WAIT).toBe("Nothing is watched");
    expect(await tick()).toBe(0);
    expect(await page.locator(".site-card .icon-ok").count()).toBe(0);
    await page.locator(".headline h1 a").click();
    await page.getByRole("heading", { level: 1, name: "Rules" }).waitFor();
  });

  test("each fact leads to the devices that it counts", async () => {
    const edits = [silent, withDeadSensor, (item: DeviceItem) => ({ ...item, unwatched: true as const })];
    await open({ devices: 12, edit: (item, index) => edits[index]?.(item) ?? item });
    await expect.poll(title, WAIT).toBe("1 device silent");
    for (const [about, words, device] of [
      ["unwatched", "1 device not watched", "Dingling"],
      ["partly-silent", "1 device partly silent", "Changping"],
    ] as const) {
      await page.goto(gateway.url);
      const fact = page.locator(`.fact[data-about=${about}]`);
      await expect.poll(() => fact.textContent(), WAIT).toBe(words);
      await fact.click();
      await expect.poll(() => page.locator(".screen-head .count").textContent(), WAIT).toBe("1 of 12");
      await expect.poll(() => page.locator(".device-row").getAttribute("data-device"), WAIT).toBe(device);
    }
    expect(await accessibilityProblems(page)).toEqual([]);
  });

  test("a dead sensor's value looks dead, with its age, while the others look alive", async () => {
    await open({ devices: 2, edit: (item, index) => (index === 1 ? withDeadSensor(item) : item) });
    const card = page.locator(".card[data-device=Changping]");
    const dead = card.locator(".card-other", { hasText: "TEMP" });
    await expect.poll(() => dead.getAttribute("data-old"), WAIT).toBe("true");
    expect(await dead.locator(".card-other-age").textContent()).toBe(" 3 h");
    expect(await card.locator(".card-value").getAttribute("data-old")).toBe("false");
    const look = (at: string) => card.locator(at).evaluate((element) => getComputedStyle(element).color);
    expect(await look(".card-other[data-old=true] .card-other-value")).not.toBe(await look(".card-number"));

    gateway.send("devices", gateway.world.devices().map(silent));
    await expect.poll(() => card.locator(".card-age").textContent(), WAIT).toBe("2 h old");
    await expect.poll(() => card.locator(".card-silent").textContent(), WAIT).toBe("Silent for 2 h");
  });

  test("acknowledged alerts are said apart from those that nobody has taken", async () => {
    await open({ devices: 12 });
    await expect.poll(title, WAIT).toBe("All well");
    const change = gateway.world.change("Dongsi", "firing");
    gateway.send("alerts", [change, gateway.world.change("Tiantan", "firing", "warning")]);
    await expect.poll(title, WAIT).toBe("1 critical alert");
    gateway.api.answer(
      "POST",
      new URL(`${gateway.url}api/v1/alerts/${encodeURIComponent(change.incident)}/acknowledge`),
      {
        by: "Ann",
        note: "",
      },
    );
    await page.reload();
    await expect.poll(title, WAIT).toBe("1 warning");
    await expect.poll(facts, WAIT).toContain("1 acknowledged alert");
    gateway.send("alerts", [gateway.world.change("Tiantan", "resolved", "warning")]);
    await expect.poll(title, WAIT).toBe("1 acknowledged alert");
    expect(await tick()).toBe(0);
  });

  test("errors in rule files are said, and listed with their places", async () => {
    await open({ devices: 2 });
    const place = { file: "cold.yaml", line: 12, column: 9 };
    gateway.api.ruleFiles = {
      errors: 1,
      warnings: 1,
      quarantined: 0,
      problems: [
        {
          severity: "error",
          code: "E006",
          ...place,
          message: 'unknown field "treshold"',
          help: "did you mean threshold?",
        },
        { severity: "warning", code: "W003", ...place, message: "never clears" },
      ],
    };
    await page.reload();
    await expect.poll(title, WAIT).toBe("1 error in rule files");
    await expect.poll(facts, WAIT).toContain("1 warning about rules");
    await page.locator(".headline h1 a").click();
    await page.getByRole("heading", { name: "1 error and 1 warning in rule files" }).waitFor();
    expect(await page.locator(".rule-problems li").first().textContent()).toBe(
      'cold.yaml:12:9error E006: unknown field "treshold"; did you mean threshold?',
    );
    expect(await accessibilityProblems(page)).toEqual([]);
  });

  test("the empty page shows where the broker listens and a command, and says when the first reading is there", async () => {
    await open({ devices: 0 });
    await page.getByText("mqtt://127.0.0.1:18830").waitFor();
    expect(await page.locator(".command code").textContent()).toBe(
      `mosquitto_pub -h 127.0.0.1 -p 18830 -q 1 -t sensors/north/cold-1/telemetry -m '{"temperature": 21.5}'`,
    );
    await expect.poll(title, WAIT).toBe("Ready for readings");
    expect(await accessibilityProblems(page)).toEqual([]);
    const first = {
      ...{ device: "cold-1", tags: { site: "north" }, lastSeenUs: nowUs(), silentFromUs: nowUs() + HOUR_US },
      ...{ readings: 1, clockAhead: 0, unwatched: true as const },
      metrics: { temperature: { atUs: nowUs(), value: 21.5, unwatched: true as const } },
    };
    gateway.send("devices", [first]);
    await expect.poll(() => page.locator(".got-it").textContent(), WAIT).toMatch(/^Got it\..*cold-1: temperature\./);
    await expect.poll(() => page.locator(".card .card-number").textContent(), WAIT).toBe("21.5");
    await expect.poll(title, WAIT).toBe("Nothing is watched");
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.getByRole("button", { name: "Close" }).click();
    await expect.poll(() => page.locator(".got-it").count(), WAIT).toBe(0);
  });

  test("a wall of 2,000 devices shows those that need attention first, whole, and counts the others", async () => {
    await open({ devices: 2_000, edit: (item, index) => (index === 1_500 ? silent(item) : item) }, "?kiosk=1");
    await page.setViewportSize({ width: 1920, height: 1080 });
    gateway.send("alerts", [
      gateway.world.change("Tiantan-99", "firing", "warning"),
      gateway.world.change("Dongsi-100", "firing"),
    ]);
    const names = () =>
      page.locator(".card").evaluateAll((cards) => cards.map((card) => card.getAttribute("data-device")));
    const first = gateway.world.devices()[1_500]?.device;
    await expect.poll(async () => (await names()).slice(0, 3), WAIT).toEqual(["Dongsi-100", "Tiantan-99", first]);
    const count = await page.locator(".card").count();
    await expect
      .poll(() => page.locator(".rest").textContent(), WAIT)
      .toBe(`${(2_000 - count).toLocaleString("en-US")} more devices`);
    const lowest = await page.locator(".card, .alert, .rest").evaluateAll((all) => {
      const shown = all.filter(
        (one) => one.checkVisibility({ contentVisibilityAuto: true }) && one.getBoundingClientRect().left < innerWidth,
      );
      return Math.max(
        ...shown
          .filter((one) => one.getBoundingClientRect().right <= innerWidth)
          .map((one) => one.getBoundingClientRect().bottom),
      );
    });
    expect(lowest).toBeLessThanOrEqual(1080);
    expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBeLessThanOrEqual(1080);
  });

  test("a small wall shows open alerts before resolved ones, all of them whole", async () => {
    await open({ devices: 12, hoursBefore: 24 * 10 }, "?kiosk=1");
    await page.setViewportSize({ width: 1440, height: 900 });
    gateway.send("alerts", [gateway.world.change("Dongsi", "firing"), gateway.world.change("Tiantan", "firing")]);
    const rows = () =>
      page.locator(".alerts-panel .alert").evaluateAll((all) =>
        all.flatMap((row) => {
          const { left, right, bottom } = row.getBoundingClientRect();
          const state = row.getAttribute("data-state");
          return left < innerWidth && right <= innerWidth ? [{ state, isWhole: bottom <= innerHeight }] : [];
        }),
      );
    await expect
      .poll(async () => (await rows()).filter(({ state }) => state === "firing").length, WAIT)
      .toBeGreaterThan(1);
    const shown = await rows();
    expect(shown.every(({ isWhole }) => isWhole)).toBe(true);
    const firstResolved = shown.findIndex(({ state }) => state === "resolved");
    expect(
      shown.slice(firstResolved < 0 ? shown.length : firstResolved).every(({ state }) => state === "resolved"),
    ).toBe(true);
    const lowest = await page
      .locator(".card")
      .evaluateAll((cards) => Math.max(...cards.map((card) => card.getBoundingClientRect().bottom)));
    expect(lowest).toBeLessThanOrEqual(900);
  });

  test("paper shows every card, on white, also from a dark page", async () => {
    await open({ devices: 40 });
    await page.locator(".card").first().waitFor();
    await page.evaluate(() => {
      document.documentElement.dataset.theme = "dark";
    });
    await page.emulateMedia({ media: "print" });
    await expect.poll(() => page.locator(".card .card-number").count(), WAIT).toBe(40);
    expect(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)).toBe(
      "rgb(255, 255, 255)",
    );
    expect(await page.locator(".nav").isVisible()).toBe(false);
    await page.goto(`${gateway.url}#/devices`);
    await expect.poll(() => page.locator(".device-row").count(), WAIT).toBe(40);
  });
});

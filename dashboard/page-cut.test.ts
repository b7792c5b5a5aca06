import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DeviceItem } from "../contracts/feed/protocol.ts";
import { findChromium } from "./dev/chromium.ts";
import { type MockGateway, startMockGateway } from "./dev/mock-gateway.ts";
import { openPageKit, type PageKit } from "./dev/page-kit.ts";
import { setText } from "./dev/text-look.ts";

const executablePath = findChromium();
const WIDTHS = [320, 360, 768, 1280, 2560] as const;
const FONTS = [
  { font: "the usual font", css: "" },
  {
    font: "a wide font",
    css: "* { font-family: Verdana, 'DejaVu Sans', sans-serif !important; letter-spacing: 0.04em !important }",
  },
  { font: "large text", css: ":root { font-size: 130% !important }" },
] as const;

const LONG: Partial<DeviceItem> = {
  device: "a-very-long-device-name-of-a-gateway-in-the-north-wing-of-the-second-building",
  metrics: {
    outside_temperature_at_the_north_wall: { atUs: 1, value: -1_234.5678 },
    operating_mode: { atUs: 1, value: "defrosting-in-progress-until-noon" },
    DEWP: { atUs: 1, value: -12.25 },
    WSPM: { atUs: 1, value: 1e12, seenUs: 1, silentFromUs: 2 },
  },
};

/** Texts that are cut and that neither a tooltip nor the rest of the page has in full. */
function cutTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const cut = [...document.querySelectorAll<HTMLElement>("main *, .header *")].filter((element) => {
      // Alerts are cut where their own screen has the whole text.
      if (element.closest(".alerts-panel, .changes, .visually-hidden") !== null) return false;
      if (!element.checkVisibility() || !hasText(element)) return false;
      const clips = getComputedStyle(element).overflow !== "visible";
      return (
        clips && (element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1)
      );
    });
    return cut
      .filter((element) => {
        const whole = element.textContent?.trim() ?? "";
        const titled = element.closest<HTMLElement>("[title]")?.title ?? "";
        return !titled.includes(whole.split(" ")[0] ?? whole);
      })
      .map((element) => `${element.className}: ${element.textContent}`);

    function hasText(element: Element): boolean {
      return [...element.childNodes].some(
        (node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim() !== "",
      );
    }
  });
}

/** Texts that reach beyond the card, row or panel around them, where they are clipped or cover something. */
function lostTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const lost: string[] = [];
    for (const box of document.querySelectorAll(
      ".card, .device-row, .site-card, .station, .gauge, .fact, .health li",
    )) {
      const { left, right, top, bottom } = box.getBoundingClientRect();
      for (const part of box.querySelectorAll("span, dt, dd, strong, p")) {
        if (part.childElementCount > 0 || part.textContent === "") continue;
        // An ellipsis within; the other check covers it.
        if (part.parentElement?.closest(".card-other-value, .card-name") !== null) continue;
        const inner = part.getBoundingClientRect();
        if (inner.width === 0) continue;
        if (inner.left < left - 1 || inner.right > right + 1 || inner.top < top - 1 || inner.bottom > bottom + 1)
          lost.push(`${box.className} ${part.className}: ${part.textContent}`);
      }
    }
    return lost;
  });
}

describe.skipIf(executablePath === undefined)("no text is cut without a way to read all of it", () => {
  let kit: PageKit;
  let gateway: MockGateway;

  beforeAll(async () => {
    kit = await openPageKit(executablePath ?? "");
    const edit = (item: DeviceItem, index: number) =>
      index === 0
        ? { ...item, ...LONG }
        : index === 1
          ? { ...item, silentFromUs: Date.now() * 1000, lastSeenUs: Date.now() * 1000 - 8e9 }
          : item;
    gateway = await startMockGateway({ pageDir: kit.pageDir, stepEveryMs: 0, hoursBefore: 24, edit });
    gateway.api.ruleFiles = {
      ...{ errors: 1, warnings: 0, quarantined: 0 },
      problems: [
        { severity: "error", file: `${"long-".repeat(20)}.yaml`, line: 1, column: 1, message: "m".repeat(200) },
      ],
    };
  }, 60_000);

  afterAll(async () => {
    await gateway?.stop();
    await kit?.close();
  });

  test.each([
    { name: "overview", at: "#/", ready: ".card-number" },
    { name: "overview on a wall", at: "?kiosk=1", ready: ".card-number" },
    { name: "devices", at: "#/devices", ready: ".device-row" },
    { name: "rules", at: "#/rules", ready: ".rule-problems" },
  ])("$name", async ({ at, ready }) => {
    const page = await kit.open(gateway.url, { width: 1280 });
    await page.goto(`${gateway.url}${at}`);
    await page.locator(ready).first().waitFor();
    const problems: string[] = [];
    for (const { font, css } of FONTS) {
      await setText(page, css);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        // Rows that are rendered for the new size.
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) problems.push(`${width} px, ${font}: ${over} px too wide`);
        for (const text of [...(await cutTexts(page)), ...(await lostTexts(page))])
          problems.push(`${width} px, ${font}: ${text}`);
      }
    }
    await page.context().close();
    expect([...new Set(problems)]).toEqual([]);
  });
});

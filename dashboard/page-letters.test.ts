import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { accessibilityProblems } from "./dev/axe.ts";
import { findChromium } from "./dev/chromium.ts";
import { type MockGateway, startMockGateway } from "./dev/mock-gateway.ts";
import { openPageKit, type PageKit } from "./dev/page-kit.ts";

const executablePath = findChromium();
const WAIT = { timeout: 15_000 };

describe.skipIf(executablePath === undefined)("dead letters in a browser", () => {
  let kit: PageKit;
  let gateway: MockGateway;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    kit = await openPageKit(executablePath ?? "");
    ({ complaints } = kit);
  }, 60_000);

  afterAll(() => kit?.close());

  beforeEach(async () => {
    complaints.length = 0;
    gateway = await startMockGateway({ pageDir: kit.pageDir, stepEveryMs: 0, hoursBefore: 24 * 10 });
    page = await kit.open(gateway.url);
  });

  afterEach(async () => {
    await page.context().close();
    await gateway.stop();
  });

  test("dead letters are retried, one by one from the keyboard and all at once, and the outcome shows", async () => {
    await page.goto(`${gateway.url}#/pipeline`);
    const row = (letter: number) => page.locator(".letter-row", { has: page.locator(`[data-letter="${letter}"]`) });
    await row(3).waitFor();
    await expect.poll(() => page.locator(".letter-row button").count(), WAIT).toBe(3);
    expect(await row(1).locator("button").count()).toBe(0);
    // The next stop after the row's link is the row's button.
    await row(3).locator("a").focus();
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Retry letter 3");
    await page.keyboard.press("Enter");
    await expect.poll(() => row(3).getByRole("status").textContent(), WAIT).toBe("Stored: 2 readings");
    await expect.poll(() => row(3).locator("button").count(), WAIT).toBe(0);
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute("data-letter"));
    await expect.poll(focused, WAIT).toBe("3");

    await row(4).locator("a").click();
    await page.getByRole("button", { name: "Retry letter 4" }).click();
    await expect
      .poll(() => page.getByRole("region", { name: "Retry" }).getByRole("status").textContent(), WAIT)
      .toMatch(/^Refused again, now letter 5, /);
    await page.getByRole("link", { name: "letter 5" }).click();
    await page.getByRole("heading", { name: "Dead letter 5" }).waitFor();
    await page.getByRole("link", { name: "letter 4" }).waitFor();
    await page.getByRole("button", { name: "Retry letter 5" }).waitFor();

    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Retry all" }).click();
    await expect.poll(() => page.locator(".retry-all").getByRole("status").textContent(), WAIT).toBe("2 refused again");
    await expect.poll(() => page.locator(".letter-row").count(), WAIT).toBe(7);
    expect(complaints).toEqual([]);
  });

  test("dead letters are counted by topic, and those that nobody needs are dismissed with a second press", async () => {
    await page.goto(`${gateway.url}#/pipeline`);
    await page.locator(".letter-row").first().waitFor();
    await page.getByText("By topic").click();
    const topic = page.locator('[data-topic="factory/line-3/press-1"]');
    await topic.waitFor();
    expect(await topic.locator("strong").textContent()).toBe("1");
    const button = topic.getByRole("button");
    await button.click();
    await expect.poll(() => button.textContent(), WAIT).toBe("Delete them for good");
    expect(await accessibilityProblems(page)).toEqual([]);
    // To go elsewhere is not to confirm.
    await page.getByText("By topic").focus();
    await expect.poll(() => button.textContent(), WAIT).toBe("Dismiss");
    await button.click();
    await button.click();
    await page.getByText("No dead letters.").waitFor();
    expect(complaints).toEqual([]);
  });
});

import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium } from "./dev/chromium.ts";
import { type MockGateway, startMockGateway } from "./dev/mock-gateway.ts";
import { openPageKit, type PageKit } from "./dev/page-kit.ts";
import { ALL_VISITS, type Visit, visit } from "./dev/screens.ts";
import { setText } from "./dev/text-look.ts";

const executablePath = findChromium();
const WIDTHS = [320, 360, 390, 641, 821, 1161] as const;
const TOKEN = "open-sesame-open";

/** Makes text wider than any font does, so that the result does not depend on the installed fonts. */
const TEXTS = [
  { text: "usual text", css: "" },
  { text: "wide letters", css: "* { letter-spacing: 0.15em !important; word-spacing: 0.16em !important }" },
  { text: "large text", css: ":root { font-size: 130% !important }" },
  { text: "monospaced text", css: "* { font-family: monospace !important }" },
] as const;

/** How much wider than the window the page is, and which elements cause it; empty if it fits. */
function tooWide(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    if (document.documentElement.scrollWidth <= innerWidth) return [];
    // Skips elements that another element clips or scrolls.
    const free = (element: Element): boolean => {
      for (let outer = element.parentElement; outer && outer !== document.body; outer = outer.parentElement) {
        if (getComputedStyle(outer).overflowX !== "visible") return false;
      }
      return true;
    };
    const wide = [...document.body.querySelectorAll("*")]
      .map((element) => ({ element, over: Math.ceil(element.getBoundingClientRect().right - innerWidth) }))
      .filter(({ element, over }) => over > 0 && free(element));
    return [
      `${document.documentElement.scrollWidth - innerWidth} px too wide:`,
      ...wide.map(({ element, over }) => `${element.tagName}.${element.getAttribute("class")} +${over}`),
    ];
  });
}

/** Links and buttons of the header that are outside the window or overlap. Skips the header behind a dialog. */
function lostLinks(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    if (document.querySelector("[role=dialog], dialog[open]")) return [];
    return [...document.querySelectorAll(".header a, .header button")]
      .filter((link) => link.getClientRects().length > 0)
      .filter((link) => {
        const { left, right, top, bottom } = link.getBoundingClientRect();
        const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
        return left < 0 || right > innerWidth || !link.contains(hit);
      })
      .map((link) => `${link.getAttribute("aria-label") ?? link.textContent} cannot be pressed`);
  });
}

describe.skipIf(executablePath === undefined)("the page fits its window", () => {
  let kit: PageKit;
  let gateway: MockGateway;
  let closed: MockGateway;

  beforeAll(async () => {
    kit = await openPageKit(executablePath ?? "");
    gateway = await startMockGateway({ pageDir: kit.pageDir, stepEveryMs: 0, hoursBefore: 24 * 10 });
    gateway.send("alerts", [gateway.world.change("Dongsi", "firing")]);
    closed = await startMockGateway({ pageDir: kit.pageDir, stepEveryMs: 0, token: TOKEN });
  }, 60_000);

  afterAll(async () => {
    await closed?.stop();
    await gateway?.stop();
    await kit?.close();
  });

  async function problemsOf(page: Page, name: string): Promise<string[]> {
    const problems: string[] = [];
    for (const { text, css } of TEXTS) {
      await setText(page, css);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 800 });
        const found = [...(await tooWide(page)), ...(await lostLinks(page))];
        if (found.length > 0) problems.push(`${name}, ${width} px, ${text}: ${found.join(" ")}`);
      }
    }
    return problems;
  }

  test.each(ALL_VISITS)("$name", async (screen: Visit) => {
    const page = await kit.open(gateway.url, { width: 390 });
    await visit(page, gateway.url, screen);
    expect(await problemsOf(page, screen.name)).toEqual([]);
    await page.context().close();
  });

  test("login", async () => {
    const page = await kit.open(closed.url, { width: 390 });
    await visit(page, closed.url, { name: "login", at: "#/", ready: ".login" });
    expect(await problemsOf(page, "login")).toEqual([]);
    await page.context().close();
  });

  test("without a connection", async () => {
    const page = await kit.open(gateway.url, { width: 390 });
    await page.goto(gateway.url);
    await page.locator(".card").first().waitFor();
    gateway.disconnect();
    await page.locator(".disconnected-bar").waitFor();
    const problems = await problemsOf(page, "without a connection");
    gateway.reconnect();
    expect(problems).toEqual([]);
    await page.context().close();
  });
});

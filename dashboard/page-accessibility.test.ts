import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessibilityProblems } from "./dev/axe.ts";
import { findChromium } from "./dev/chromium.ts";
import { type MockGateway, startMockGateway } from "./dev/mock-gateway.ts";
import { openPageKit, type PageKit } from "./dev/page-kit.ts";
import { ALL_VISITS, visit } from "./dev/screens.ts";

const executablePath = findChromium();
const LOOKS = [
  { look: "light", colorScheme: "light", width: 1280 },
  { look: "dark", colorScheme: "dark", width: 1280 },
  { look: "phone", colorScheme: "light", width: 390 },
] as const;

describe.skipIf(executablePath === undefined)("axe finds no problem on any screen", () => {
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

  test.each(LOOKS)(
    "$look",
    async ({ colorScheme, width }) => {
      const page = await kit.open(gateway.url, { colorScheme, width });
      const problems: string[] = [];
      for (const screen of ALL_VISITS) {
        const { name } = screen;
        await visit(page, gateway.url, screen);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (overflow > 0) problems.push(`${name}: ${overflow} px wider than the window`);
        for (const problem of await accessibilityProblems(page)) problems.push(`${name}: ${problem}`);
      }
      await page.context().close();
      expect(problems).toEqual([]);
    },
    300_000,
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

import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { accessibilityProblems } from "./dev/axe.ts";
import { findChromium } from "./dev/chromium.ts";
import { type MockGateway, startMockGateway } from "./dev/mock-gateway.ts";
import { openPageKit, type PageKit } from "./dev/page-kit.ts";

const executablePath = findChromium();
const WAIT = { timeout: 15_000 };

describe.skipIf(executablePath === undefined)("incidents in a browser", () => {
  let kit: PageKit;
  let gateway: MockGateway;
  let page: Page;

  beforeAll(async () => {
    kit = await openPageKit(executablePath ?? "");
  }, 60_000);

  afterAll(() => kit?.close());

  beforeEach(async () => {
    kit.complaints.length = 0;
    gateway = await startMockGateway({ pageDir: kit.pageDir, stepEveryMs: 0, hoursBefore: 24 * 10 });
    page = await kit.open(gateway.url);
  });

  afterEach(async () => {
    await page.context().close();
    await gateway.stop();
  });

  async function acknowledge(incident: string, by: string, note: string): Promise<void> {
    const response = await fetch(`${gateway.url}api/v1/alerts/${encodeURIComponent(incident)}/acknowledge`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ by, note }),
    });
    expect(response.status).toBe(200);
  }

  test("a past incident keeps title, worst value, duration, acknowledgement and notifications", async () => {
    const past = gateway.world.alertChanges(10_000).find(({ state, worst = 0 }) => state === "resolved" && worst > 0);
    if (past?.title === undefined || past.firedAtUs === undefined) throw new Error("the made-up world has no past");
    expect(past.title).not.toBe(past.annotations.summary);
    await acknowledge(past.incident, "Ann", "closed the window");

    await page.goto(`${gateway.url}#/alerts`);
    const row = page.locator(`tr[data-incident="${past.incident}"]`);
    // The acknowledgement may arrive after the incident.
    await expect.poll(() => row.textContent(), WAIT).toContain("closed the window");
    const hours = (past.atUs - past.firedAtUs) / 3_600e6;
    const text = await row.textContent();
    expect(text).toContain(past.title);
    expect(text).toContain(hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`);
    expect(text).toContain(`${past.evidence.aggregate} ${Number((past.worst ?? 0).toPrecision(4))}`);
    expect(text).toContain("Ann");

    await row.locator("a").click();
    await page.locator("h1", { hasText: past.title }).waitFor();
    const shownHead = () => page.locator(".incident-head").textContent();
    await expect.poll(shownHead, WAIT).toMatch(/fired .+, ended /);
    const head = await shownHead();
    expect(head).toContain("lasted");
    expect(head).toContain(`worst ${past.evidence.aggregate}`);
    await page.locator(".handled", { hasText: "Acknowledged by Ann" }).waitFor();
    expect(await page.locator(".handled").textContent()).toContain("closed the window");
    const deliveries = page.locator(".deliveries li");
    await expect.poll(() => deliveries.count(), WAIT).toBe(2);
    expect(await deliveries.first().textContent()).toMatch(/^ops\.email\s*firing: delivered/);
    expect(await deliveries.last().textContent()).toMatch(/^ops\.email\s*resolved: delivered/);
    expect(await page.getByRole("button", { name: "Acknowledge" }).count()).toBe(0);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(kit.complaints).toEqual([]);
  });

  test("an acknowledged alert is listed apart, and the acknowledgement stays when the incident ends", async () => {
    await page.goto(`${gateway.url}#/alerts`);
    const firing = gateway.world.change("Dongsi", "firing");
    gateway.send("alerts", [firing]);
    const inSection = (title: string) => page.locator(`section[aria-label="${title}"] [data-rule="by-hand"]`);
    await inSection("Firing").waitFor();
    await acknowledge(firing.incident, "Ann", "on my way");
    gateway.send("alerts", [gateway.world.change("Tiantan", "pending", "info")]);
    await inSection("Acknowledged").waitFor();
    await expect.poll(() => inSection("Firing").count(), WAIT).toBe(0);
    await expect.poll(() => inSection("Acknowledged").textContent(), WAIT).toContain("acknowledged by Ann");

    await inSection("Acknowledged").click();
    await page.locator(".handled", { hasText: "Acknowledged by Ann" }).waitFor();
    gateway.send("alerts", [gateway.world.change("Dongsi", "resolved")]);
    await page.locator(".incident-state", { hasText: "resolved" }).waitFor();
    await page.locator(".handled", { hasText: "on my way" }).waitFor();
    expect(kit.complaints).toEqual([]);
  });

  test("past incidents come in pages", async () => {
    const resolved = gateway.world.alertChanges(10_000).filter(({ state }) => state === "resolved").length;
    expect(resolved).toBeGreaterThan(50);
    await page.goto(`${gateway.url}#/alerts`);
    const rows = page.locator(".changes tbody tr");
    await expect.poll(() => rows.count(), WAIT).toBe(50);
    await page.getByRole("button", { name: "more incidents" }).click();
    await expect.poll(() => rows.count(), WAIT).toBe(Math.min(100, resolved));
    expect(kit.complaints).toEqual([]);
  });

  test("5,000 open incidents are all counted and listed, the critical one first", async () => {
    const changes = Array.from({ length: 4_999 }, (_, i) => gateway.world.change(`sensor-${i}`, "firing", "info"));
    changes.unshift(gateway.world.change("oldest", "firing", "critical"));
    await page.goto(`${gateway.url}#/alerts`);
    const section = page.locator('section[aria-label="Firing"]');
    const before = gateway.world.alertStates().filter(({ state, rule }) => state === "firing" && rule !== "by-hand");
    await expect.poll(() => section.locator(".count").textContent(), WAIT).toBe(String(5_000 + before.length));
    await expect.poll(() => section.locator(".alert").count(), WAIT).toBe(100);
    const critical = section.locator('.alert[data-severity="critical"]', { hasText: "oldest" });
    await expect.poll(() => critical.count(), WAIT).toBe(1);
    await section.getByRole("button", { name: "more alerts" }).click();
    await expect.poll(() => section.locator(".alert").count(), WAIT).toBe(200);
    await page.getByLabel("Find alerts").fill("sensor-4321");
    await expect.poll(() => section.locator(".alert").count(), WAIT).toBe(1);
    expect(kit.complaints).toEqual([]);
  });
});

import mqtt from "mqtt";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accessibilityProblems } from "../../dashboard/dev/axe.ts";
import { findChromium, launchChromium } from "../../dashboard/dev/chromium.ts";
import type { GatewayProcess } from "../servers/gateway-process.ts";
import { startGateway } from "./kit.ts";

const executablePath = findChromium();
const WAIT = { timeout: 30_000, interval: 100 };
const EVERY_MS = 200;
/** The browser itself reports what it cannot reach; a page cannot prevent that. */
const UNREACHABLE = /WebSocket connection|ERR_CONNECTION_REFUSED|Failed to load resource/;
const RULES = `
rules:
  - id: too-warm
    where: { metric: temperature }
    window: { tumbling: 1s }
    aggregate: [avg, min, max]
    when: "> 8"
    clear: "< 7"
    severity: critical
    annotations: { summary: "{{ device }} is too warm" }
  - id: humidity-minutes
    where: { metric: humidity }
    window: { tumbling: 1s }
    aggregate: [avg]
`;

describe.skipIf(executablePath === undefined)("the screens of a running gateway", () => {
  const undo: (() => Promise<unknown>)[] = [];
  const complaints: string[] = [];
  /** The devices' current values; a test changes them to make something happen. */
  const temperatures = new Map([
    ["cold-1", 5],
    ["cold-2", 5],
  ]);
  let gateway: GatewayProcess;
  let browser: Browser;
  let page: Page;
  let base: string;

  beforeAll(async () => {
    gateway = await startGateway(undo, { files: { "rules/cold.yaml": RULES }, keepHttpPort: true });
    base = `http://127.0.0.1:${gateway.info.httpPort}/`;
    const devices = mqtt.connect(`mqtt://127.0.0.1:${gateway.info.mqttPort}`, { reconnectPeriod: 200 });
    undo.push(() => devices.endAsync(true));
    devices.on("error", () => {});
    const timer = setInterval(() => {
      for (const [device, temperature] of temperatures) {
        const site = device === "cold-1" ? "north" : "south";
        const payload = JSON.stringify({ temperature, humidity: 50 + temperature });
        devices.publish(`sensors/${site}/${device}/telemetry`, payload, { qos: 1 });
      }
    }, EVERY_MS);
    undo.push(async () => clearInterval(timer));
    devices.publish("sensors/north/cold-1/telemetry", '{"temperature": 5,, }', { qos: 1 });
    browser = await launchChromium(executablePath ?? "");
    undo.push(() => browser.close());
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(WAIT.timeout);
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(base);
    await page.locator(".card").first().waitFor();
  });

  afterAll(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  const go = (hash: string) => page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  const points = async (metric: string) =>
    Number(await page.locator(`.chart[data-metric="${metric}"]`).getAttribute("data-points"));

  test("sites, health and devices are there, and an alert appears", async () => {
    await expect.poll(() => page.locator(".site-card").count(), WAIT).toBe(2);
    await expect.poll(() => page.locator(".health li[data-ready=true]").count(), WAIT).toBeGreaterThan(2);
    await expect.poll(() => page.locator("h1").textContent(), WAIT).toBe("All well");
    temperatures.set("cold-1", 12);
    await page.locator(".alerts-panel .alert[data-state=firing][data-rule=too-warm]").waitFor();
    await expect.poll(() => page.locator("h1").textContent(), WAIT).toBe("1 critical alert");
  });

  test("a key that is pressed the moment a screen appears is not lost", async () => {
    const focused = await page.evaluate(`new Promise((resolve) => {
      new MutationObserver((_, observer) => {
        if (document.querySelector("main input[type=search]") === null) return;
        observer.disconnect();
        window.dispatchEvent(new KeyboardEvent("keydown", { key: "/" }));
        setTimeout(() => resolve(document.activeElement?.type ?? "nothing"), 200);
      }).observe(document.querySelector("main"), { childList: true, subtree: true });
      location.hash = "#/rules";
    })`);
    expect(focused).toBe("search");
  });

  test("the list of devices finds and follows", async () => {
    await go("#/devices");
    await expect.poll(() => page.locator(".device-row").count(), WAIT).toBe(2);
    await page.keyboard.press("/");
    await expect.poll(() => page.evaluate("document.activeElement.type"), WAIT).toBe("search");
    await page.keyboard.type("cold-2", { delay: 20 });
    await expect.poll(() => page.locator(".device-row").count(), WAIT).toBe(1);
    await expect.poll(() => page.evaluate("location.hash"), WAIT).toBe("#/devices?find=cold-2");
    await go("#/devices?state=alerting");
    await expect.poll(() => page.locator(".device-row").getAttribute("data-device"), WAIT).toBe("cold-1");
  });

  test("charts move, look back through the store, and come back to now", async () => {
    await go("#/device/cold-1?range=15m");
    await expect.poll(() => points("temperature"), WAIT).toBeGreaterThan(3);
    const before = await points("temperature");
    await expect.poll(() => points("temperature"), WAIT).toBeGreaterThan(before);
    await page.getByRole("button", { name: "Zoom out" }).click();
    await page.locator(".live-button").waitFor();
    await expect
      .poll(() => page.evaluate("location.hash"), WAIT)
      .toMatch(/^#\/device\/cold-1\?tags\.site=north&from=\d+&to=\d+$/);
    await expect.poll(() => points("temperature"), WAIT).toBeGreaterThan(0);
    await page.getByRole("button", { name: "1 year" }).click();
    await expect.poll(() => points("temperature"), WAIT).toBeGreaterThan(0);
    await page.locator(".chart[data-metric=temperature] .key-rule").waitFor();
  });

  test("an incident is explained, acknowledged and silenced, and the silence ends", async () => {
    await go("#/alerts");
    await page.locator(".alert[data-state=firing]").first().click();
    await page.locator(".why li[data-state=firing]").waitFor();
    const why = await page.locator(".why li[data-state=firing]").textContent();
    // The first window may hold readings from before, too.
    expect(Number(/avg = ([\d.]+)/.exec(why ?? "")?.[1])).toBeGreaterThan(8);
    expect(why).toContain("> 8");
    expect(why).toMatch(/READINGS, entry \d+, task \d/);

    await page.getByRole("button", { name: "Acknowledge" }).click();
    await page.getByLabel("Your name").fill("Ann");
    await page.getByLabel("Note").fill("on my way");
    await page.getByRole("button", { name: "I'm on it" }).click();
    await expect
      .poll(() => page.locator(".handled").first().textContent(), WAIT)
      .toMatch(/Acknowledged by Ann at .*on my way/);

    await page.getByRole("button", { name: "Silence" }).click();
    await expect.poll(() => page.getByLabel("Your name").inputValue(), WAIT).toBe("Ann");
    await page.getByRole("textbox", { name: "Reason" }).fill("defrosting");
    await page.getByRole("button", { name: "Silence it" }).click();
    await page.getByText("Silenced: nobody is notified now.").waitFor();
    await go("#/alerts");
    await expect
      .poll(() => page.locator(".alert .mark").allTextContents(), WAIT)
      .toEqual(["acknowledged by Ann", "silenced"]);
    await page.locator(".silence", { hasText: "defrosting" }).getByRole("button", { name: "End now" }).click();
    await expect.poll(() => page.locator(".silence").count(), WAIT).toBe(0);
  });

  test("rules show the state of each group, and how often they fired", async () => {
    await go("#/rules");
    await expect.poll(() => page.locator(".rule-row").count(), WAIT).toBe(2);
    const row = page.locator(".rule-row[data-rule=too-warm]");
    await expect.poll(() => row.textContent(), WAIT).toMatch(/1 firing.*fired 1×/);
    await expect.poll(() => page.locator(".screen-words").textContent(), WAIT).toMatch(/In force since/);
    await row.click();
    await expect.poll(() => page.locator(".group-row").count(), WAIT).toBe(2);
    await page.locator(".group-row[data-state=firing]", { hasText: "cold-1" }).waitFor();
  });

  test("the pipeline shows rates, and a dead letter that can be opened and retried", async () => {
    await go("#/pipeline");
    await expect.poll(() => page.locator(".flow-ingest .figure").textContent(), WAIT).toMatch(/^[1-9]/);
    await page.locator(".letter").first().click();
    await expect.poll(() => page.locator(".payload").textContent(), WAIT).toBe('{"temperature": 5,, }');
    await page.getByRole("button", { name: /^Retry letter/ }).click();
    const outcome = page.getByRole("region", { name: "Retry" }).getByRole("status");
    await expect.poll(() => outcome.textContent(), WAIT).toMatch(/^Refused again, now letter \d+/);
    await outcome.getByRole("link").click();
    await page.locator(".letter-facts", { hasText: "Retry of" }).waitFor();
    await page.keyboard.press("Escape");
    await expect.poll(() => page.evaluate("location.hash"), WAIT).toBe("#/pipeline");
  });

  test.each(["light", "dark"] as const)(
    "no screen is hard to use with an assistive device (%s)",
    async (colorScheme) => {
      await page.emulateMedia({ colorScheme });
      for (const [hash, ready] of [
        ["#/", ".card"],
        ["#/devices", ".device-row"],
        ["#/device/cold-1", ".chart"],
        ["#/alerts", ".alert"],
        ["#/rules", ".rule-row"],
        ["#/rules/too-warm", ".group-row"],
        ["#/pipeline", ".letter"],
      ] as const) {
        await go(hash);
        await page.locator(ready).first().waitFor();
        expect(await accessibilityProblems(page), hash).toEqual([]);
      }
      await go("#/alerts");
      await page.locator(".alert").first().click();
      await page.getByRole("button", { name: "Silence" }).click();
      expect(await accessibilityProblems(page), "an incident").toEqual([]);
    },
  );

  test("a gateway that is killed and started again loses nothing, without a reload", async () => {
    await go("#/");
    await page.evaluate("window.stayed = true");
    await gateway.kill();
    await expect
      .poll(() => page.locator(".disconnected-bar").textContent(), WAIT)
      .toMatch(/^No connection .* for \d+ s/);
    await gateway.start();
    await expect.poll(() => page.locator(".connection").textContent(), WAIT).toBe("Live");
    // A message that was refused while the page was open is still news, so it is the title.
    const headline = () => page.locator(".headline").textContent();
    await expect.poll(headline, WAIT).toMatch(/^2 dead letters: bad-payload.*1 acknowledged alert/);
    // The acknowledgement has survived it, too.
    await expect
      .poll(() => page.locator(".alerts-panel .mark").allTextContents(), WAIT)
      .toEqual(["acknowledged by Ann"]);
    temperatures.set("cold-1", 5);
    await page.locator(".alerts-panel .alert[data-state=resolved][data-rule=too-warm]").waitFor();
    await expect.poll(headline, WAIT).toMatch(/^2 dead letters: bad-payload((?!alert).)*$/);
    expect(await page.evaluate("window.stayed")).toBe(true);
  });

  test("a reload shows the incident among the past ones, with its whole story", async () => {
    await go("#/alerts");
    await page.reload();
    await page.locator(".changes tr", { hasText: "cold-1 is too warm" }).locator("a").click();
    await expect
      .poll(() => page.locator(".why > li").evaluateAll((items) => items.map((item) => item.dataset.state)), WAIT)
      .toEqual(["firing", "resolved"]);
    expect(complaints.filter((text) => !UNREACHABLE.test(text))).toEqual([]);
  });
});

import { connect, createServer, type Server, type Socket } from "node:net";
import mqtt from "mqtt";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium, launchChromium } from "../../dashboard/dev/chromium.ts";
import type { GatewayProcess } from "../servers/gateway-process.ts";
import { startGateway } from "./kit.ts";

const executablePath = findChromium();
const WAIT = { timeout: 30_000, interval: 50 };
const ROUNDS = 5;
const APART_MS = 5_000;
/** Each reading is evaluated alone, so that the test measures the way and not the window. */
const RULES = `
rules:
  - id: too-warm
    where: { metric: temperature }
    window: { sliding: 1s }
    aggregate: last
    when: "> 8"
    severity: critical
    annotations: { summary: "{{ device }} is too warm" }
`;

/** Between the browser and the gateway: a cable that can be pulled. */
async function startCable(gatewayPort: () => number) {
  const sockets = new Set<Socket>();
  let pulled = false;
  const server: Server = createServer((near) => {
    if (pulled) {
      near.destroy();
      return;
    }
    const far = connect(gatewayPort(), "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const port = await new Promise<number>((resolve, reject) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("no port"));
      else resolve(address.port);
    });
  });
  return {
    port,
    pull() {
      pulled = true;
      cut();
    },
    plug() {
      pulled = false;
    },
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.skipIf(executablePath === undefined)("the live page", () => {
  const undo: (() => Promise<unknown>)[] = [];
  let gateway: GatewayProcess;
  let browser: Browser;
  let cable: Awaited<ReturnType<typeof startCable>>;
  let devices: mqtt.MqttClient;
  let page: Page;

  beforeAll(async () => {
    gateway = await startGateway(undo, { files: { "rules/warm.yaml": RULES }, keepHttpPort: true });
    cable = await startCable(() => gateway.info.httpPort);
    undo.push(() => cable.close());
    devices = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`, { reconnectPeriod: 200 });
    undo.push(() => devices.endAsync(true));
    devices.on("error", () => {});
    for (const device of ["live-1", "live-2", "live-3"]) await say(device, 5);
    browser = await launchChromium(executablePath ?? "");
    undo.push(() => browser.close());
    page = await openPage();
  });

  afterAll(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  async function openPage(): Promise<Page> {
    const opened = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    opened.setDefaultTimeout(WAIT.timeout);
    await opened.goto(`http://127.0.0.1:${cable.port}/`);
    await opened.locator(".card").nth(2).waitFor();
    return opened;
  }

  const say = (device: string, temperature: number, more: object = {}) =>
    devices.publishAsync(`sensors/hall/${device}/telemetry`, JSON.stringify({ temperature, ...more }), { qos: 1 });
  const stateOn = (on: Page, device: string) => on.locator(`.card[data-device=${device}]`).getAttribute("data-state");
  const shows = (on: Page, device: string, firing: boolean) => {
    const state = "[data-state=firing]";
    return on.locator(`.card[data-device=${device}]${firing ? state : `:not(${state})`}`).waitFor();
  };
  const go = (hash: string) => page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  const connection = () => page.locator(".connection").textContent();
  /** Incidents of a device that the page shows as ended. */
  const countShown = (device: string) =>
    page.locator(".changes tr[data-state=resolved]", { hasText: `${device} is too warm` }).count();

  test("an alert appears and resolves after its cause, again and again", async () => {
    const delaysMs: number[][] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, temperature] of [12, 5].entries()) {
        const saidMs = performance.now();
        await say("live-1", temperature);
        await shows(page, "live-1", i === 0);
        delaysMs[i]?.push(Math.round(performance.now() - saidMs));
      }
    }
    console.log(`from publish to page: appears after ${delaysMs[0]} ms, resolves after ${delaysMs[1]} ms`);
    await page.locator(".alerts-panel .alert[data-state=resolved][data-rule=too-warm]").first().waitFor();
  });

  test("what happened while the cable was pulled is all there when it is plugged in again, as after a reload", async () => {
    await page.evaluate("window.stayed = true");
    cable.pull();
    await expect.poll(connection, WAIT).toMatch(/^Disconnected since/);
    // Two that begin and end unseen, and one that continues.
    const fromMs = Date.now();
    for (const [i, temperature] of [13, 5, 14, 5].entries()) {
      // Apart, so that the chart has a point for each.
      await say("live-2", temperature, { ts: fromMs + (i + 1) * APART_MS });
    }
    await say("live-3", 15);
    cable.plug();
    const pluggedMs = performance.now();
    await expect.poll(connection, WAIT).toBe("Live");
    await shows(page, "live-3", true);
    console.log(`after the cable was plugged in: ${Math.round(performance.now() - pluggedMs)} ms until all is shown`);
    expect(await stateOn(page, "live-2")).not.toBe("firing");
    await go("#/device/live-2?range=15m");
    const points = async () =>
      Number(await page.locator('.chart[data-metric="temperature"]').getAttribute("data-points"));
    await expect.poll(points, WAIT).toBeGreaterThanOrEqual(5);
    await go("#/alerts");
    await expect.poll(() => countShown("live-2"), WAIT).toBe(2);
    expect(await page.evaluate("window.stayed")).toBe(true);
    await page.reload();
    await expect.poll(() => countShown("live-2"), WAIT).toBe(2);
    await page.locator(".alert[data-state=firing]", { hasText: "live-3 is too warm" }).waitFor();
    await go("#/device/live-2?range=15m");
    await expect.poll(points, WAIT).toBeGreaterThanOrEqual(5);
  });

  test("what one person acknowledges and silences, another sees; and it survives a killed gateway, without a reload", async () => {
    const other = await openPage();
    await go("#/alerts");
    await page.locator(".alert[data-state=firing]", { hasText: "live-3" }).click();
    await page.getByRole("button", { name: "Acknowledge" }).click();
    await page.getByLabel("Your name").fill("Ann");
    const orderedMs = performance.now();
    await page.getByRole("button", { name: "I'm on it" }).click();
    await page.locator(".handled", { hasText: "Acknowledged by Ann" }).waitFor();
    console.log(`an acknowledgement is shown after ${Math.round(performance.now() - orderedMs)} ms`);
    await page.getByRole("button", { name: "Silence" }).click();
    await page.getByRole("textbox", { name: "Reason" }).fill("repair");
    await page.getByRole("button", { name: "Silence it" }).click();
    await page.getByText("Silenced: nobody is notified now.").waitFor();
    const marks = (on: Page) => on.locator(".alerts-panel .mark").allTextContents();
    await expect.poll(() => marks(other), WAIT).toEqual(["acknowledged by Ann", "silenced"]);

    for (const each of [page, other]) await each.evaluate("window.stayed = true");
    await go("#/");
    await gateway.kill();
    await expect.poll(connection, WAIT).toMatch(/^Disconnected since/);
    await gateway.start();
    const startedMs = performance.now();
    for (const each of [page, other]) {
      await expect.poll(() => each.locator(".connection").textContent(), WAIT).toBe("Live");
      await expect.poll(() => marks(each), WAIT).toEqual(["acknowledged by Ann", "silenced"]);
    }
    console.log(
      `after the gateway was ready again: ${Math.round(performance.now() - startedMs)} ms until pages are live`,
    );
    await expect.poll(() => devices.connected, WAIT).toBe(true);
    await say("live-3", 5);
    await say("live-1", 12);
    for (const each of [page, other]) {
      await shows(each, "live-3", false);
      await shows(each, "live-1", true);
      expect(await each.evaluate("window.stayed")).toBe(true);
    }
  });
});

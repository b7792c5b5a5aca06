import mqtt from "mqtt";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium, launchChromium } from "../../dashboard/dev/chromium.ts";
import { formatNumber } from "../../dashboard/src/lib/format.ts";
import type { GatewayProcess } from "../servers/gateway-process.ts";
import { startGateway } from "./kit.ts";

const executablePath = findChromium();
const WAIT = { timeout: 60_000, interval: 200 };
const HALF_HOUR_MS = 1_800_000;
const READINGS = 365 * 48 - 10;
const PER_MESSAGE = 2_000;
/** One reading of half an hour in winter. */
const EXCURSION = { at: 6_000, value: 26.25 };

const RULES = `
rules:
  - id: too-warm
    where: { metric: temperature }
    window: { tumbling: 1d }
    aggregate: [avg]
    when: "> 8"
`;

const MODES = ["cool", "defrost", "idle"];
const READINGS_PER_MODE = 480;

interface Point {
  readonly atMs: number;
  readonly temperature: number;
  readonly mode: string;
}

/** A year of a cold room: 5 degrees, give or take one, and one excursion. */
function yearUntil(nowMs: number): readonly Point[] {
  return Array.from({ length: READINGS }, (_, i) => ({
    atMs: nowMs - (READINGS - 1 - i) * HALF_HOUR_MS,
    temperature: i === EXCURSION.at ? EXCURSION.value : 5 + Math.round(100 * Math.sin(i / 7)) / 100,
    mode: MODES[Math.floor(i / READINGS_PER_MODE) % MODES.length] ?? "",
  }));
}

describe.skipIf(executablePath === undefined)("a year with one excursion", () => {
  const undo: (() => Promise<unknown>)[] = [];
  const year = yearUntil(Date.now() - 60_000);
  let gateway: GatewayProcess;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    gateway = await startGateway(undo, { files: { "rules/rules.yaml": RULES } });
    const device = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
    undo.push(() => device.endAsync(true));
    for (let i = 0; i < year.length; i += PER_MESSAGE) {
      const message = year.slice(i, i + PER_MESSAGE).map(({ atMs, ...values }) => ({ ts: atMs, ...values }));
      await device.publishAsync("sensors/north/cold-1/telemetry", JSON.stringify(message), { qos: 1 });
    }
    browser = await launchChromium(executablePath ?? "");
    undo.push(() => browser.close());
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(WAIT.timeout);
  });

  afterAll(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  const address = () => `http://127.0.0.1:${gateway.info.httpPort}`;

  /** Whether the store has all temperatures, and the mode up to the newest reading. */
  const isStored = async () => {
    const [fromUs, newestUs] = [(year[0]?.atMs ?? 0) * 1000, (year.at(-1)?.atMs ?? 0) * 1000];
    const query = `device=cold-1&tags.site=north&from=${fromUs}&to=${newestUs + 1}`;
    const series = await fetch(`${address()}/api/v1/series?${query}&metric=temperature&points=1000`);
    const states = await fetch(`${address()}/api/v1/states?${query}&metric=mode&limit=1000`);
    if (!series.ok || !states.ok) return false;
    const { count } = (await series.json()) as { count: readonly number[] };
    const { runs } = (await states.json()) as { runs: readonly { lastUs: number }[] };
    return count.reduce((sum, one) => sum + one, 0) === READINGS && runs.at(-1)?.lastUs === newestUs;
  };

  /** `min`, `avg` and `max` in the head of the chart. */
  const figures = () => page.locator(".chart[data-metric=temperature] .chart-summary dd").allTextContents();

  /** How many of the pixels in the top quarter of the chart are as blue as the line or its band. */
  const bluePixelsAtTop = () =>
    page.evaluate<number>(`(() => {
      const canvas = document.querySelector(".chart canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height / 4);
      let blue = 0;
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 0 && data[i + 2] - data[i] > 40) blue++;
      return blue;
    })()`);

  test("minimum, average and maximum are those of the readings at every zoom, and the axis shows the excursion", async () => {
    const values = year.map(({ temperature }) => temperature);
    const average = values.reduce((sum, value) => sum + value, 0) / values.length;
    const whole = [Math.min(...values), average, EXCURSION.value].map(formatNumber);
    await expect.poll(isStored, WAIT).toBe(true);
    await page.goto(`${address()}/#/device/cold-1?range=1y`);
    await expect.poll(figures, WAIT).toEqual(whole);
    // One narrow peak, and not the line of all the other readings.
    await expect.poll(bluePixelsAtTop, WAIT).toSatisfy((count: number) => count > 10 && count < 200);
    await expect
      .poll(() => page.locator(".chart-plot").getAttribute("aria-label"), WAIT)
      .toContain(`lowest ${whole[0]}, highest ${whole[2]}`);

    // A mode has a timeline instead of a line. Its history arrives by a question of its own, after the chart's.
    const modes = Math.ceil(READINGS / READINGS_PER_MODE);
    await expect
      .poll(() => page.locator(".word[data-metric=mode]").getAttribute("data-runs"), WAIT)
      .toBe(String(modes));
    await expect.poll(() => page.locator(".word-current").textContent(), WAIT).toBe(year.at(-1)?.mode);

    await page.getByRole("button", { name: "30 days" }).click();
    const newestMs = year.at(-1)?.atMs ?? 0;
    const month = year.filter(({ atMs }) => atMs > newestMs - 30 * 86_400_000).map(({ temperature }) => temperature);
    await expect.poll(async () => (await figures())[2], WAIT).toBe(formatNumber(Math.max(...month)));

    // A span of the past around the excursion, from a link.
    const middleMs = year[EXCURSION.at]?.atMs ?? 0;
    const [fromMs, toMs] = [middleMs - 20 * 86_400_000, middleMs + 20 * 86_400_000];
    const span = year.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).map(({ temperature }) => temperature);
    const mean = span.reduce((sum, value) => sum + value, 0) / span.length;
    await page.evaluate(`location.hash = "#/device/cold-1?from=${fromMs * 1000}&to=${toMs * 1000}"`);
    await expect.poll(figures, WAIT).toEqual([Math.min(...span), mean, EXCURSION.value].map(formatNumber));
  });
});

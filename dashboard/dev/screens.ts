import type { Page } from "playwright-core";

/** A screen as tests visit it. */
export interface Screen {
  readonly name: string;
  /** Empty for the incident: its link stands in the list of alerts. */
  readonly path: string;
  /** Is there once the screen is whole. */
  readonly ready: string;
  /** Opens everything that the screen can open. */
  prepare?(page: Page): Promise<void>;
}

export const SCREENS: readonly Screen[] = [
  { name: "overview", path: "#/", ready: ".card" },
  { name: "devices", path: "#/devices", ready: ".device-row" },
  { name: "device", path: "#/device/Dongsi", ready: ".chart canvas" },
  { name: "alerts", path: "#/alerts", ready: ".changes tr, .alert" },
  { name: "incident", path: "", ready: ".why > li", prepare: openOrders },
  { name: "rules", path: "#/rules", ready: ".rule-row" },
  { name: "rule", path: "#/rules/no2-high", ready: ".group-row" },
  { name: "pipeline", path: "#/pipeline", ready: ".letter-row", prepare: retryAll },
  { name: "letter", path: "#/dead-letters/2", ready: ".payload" },
  { name: "letter that was retried", path: "#/dead-letters/3", ready: ".payload", prepare: retryLetter },
  { name: "letter that is not there", path: "#/dead-letters/x", ready: "h1" },
  { name: "kiosk", path: "?kiosk=1#/", ready: ".card" },
  { name: "kiosk's pipeline", path: "?kiosk=1#/pipeline", ready: ".letter-row" },
  { name: "keys", path: "#/", ready: ".card", prepare: openHelp },
];

/** Opens a screen in a new document, so that it inherits nothing from the screen before. */
export async function visit(page: Page, gatewayUrl: string, screen: Screen): Promise<void> {
  const path = screen.path === "" ? await incidentPath(page, gatewayUrl) : screen.path;
  await page.goto("about:blank");
  await page.goto(`${gatewayUrl}${path}`);
  await page.locator(screen.ready).first().waitFor();
  await screen.prepare?.(page);
}

async function incidentPath(page: Page, gatewayUrl: string): Promise<string> {
  await page.goto(`${gatewayUrl}#/alerts`);
  return (await page.locator(".alert").first().getAttribute("href")) ?? "";
}

async function openOrders(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Silence" }).click();
  await page.getByRole("button", { name: "Silence it" }).waitFor();
}

async function retryLetter(page: Page): Promise<void> {
  const button = page.getByRole("button", { name: "Retry letter 3" });
  if ((await button.count()) > 0) await button.click();
  await page.locator(".retry-outcome").waitFor();
}

async function retryAll(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Retry all" }).click();
  await page.locator(".retry-outcome").first().waitFor();
}

async function openHelp(page: Page): Promise<void> {
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
}

import type { Page } from "playwright-core";
import type { ScreenName } from "../src/screens.tsx";

/** How tests and screenshots open a screen. */
export interface Visit {
  readonly name: string;
  /** The address from its `#`, or where to find its link: the first of `links` that the other screen has. */
  readonly at: string | { readonly on: ScreenName; readonly links: readonly string[] };
  /** Matches once the screen is complete. */
  readonly ready: string;
  /** For tests: opens everything on the screen that can be opened. */
  prepare?(page: Page): Promise<void>;
  readonly kiosk?: true;
}

/** A screen's first visit is also the one for its screenshot. Its other visits show states that need a test. */
export const VISITS: Readonly<Record<ScreenName, readonly [Visit, ...Visit[]]>> = {
  overview: [
    { name: "overview", at: "#/", ready: ".card" },
    { name: "keyboard shortcuts", at: "#/", ready: ".card", prepare: openHelp },
  ],
  devices: [{ name: "devices", at: "#/devices", ready: ".device-row" }],
  device: [
    { name: "device", at: { on: "overview", links: [".card[data-state=firing]", ".card"] }, ready: ".chart canvas" },
    { name: "unknown device", at: "#/device/nobody?tags.site=north", ready: ".empty h2" },
  ],
  alerts: [{ name: "alerts", at: "#/alerts", ready: ".changes tbody tr, .alert" }],
  incident: [
    { name: "incident", at: { on: "alerts", links: [".alert"] }, ready: ".why > li", prepare: openSilenceForm },
  ],
  rules: [{ name: "rules", at: "#/rules", ready: ".rule-row" }],
  rule: [{ name: "rule", at: { on: "rules", links: [".rule-row"] }, ready: ".group-row" }],
  pipeline: [
    { name: "pipeline", at: "#/pipeline", ready: ".letter-row, .columns > .panel > .quiet", prepare: retryAll },
  ],
  letter: [
    { name: "letter", at: { on: "pipeline", links: ['[data-letter="2"]', ".letter"] }, ready: ".payload" },
    { name: "retried letter", at: "#/dead-letters/3", ready: ".payload", prepare: retryLetter },
    { name: "unknown letter", at: "#/dead-letters/x", ready: "h1" },
  ],
};

/** One visit to each screen. */
export const SCREEN_VISITS: readonly Visit[] = Object.values(VISITS).map(([first]) => first);

/** Each screen as it appears on a wall. */
export const KIOSK_VISITS: readonly Visit[] = SCREEN_VISITS.map(({ name, at, ready }) => {
  return { name: `${name} on a wall`, at, ready, kiosk: true };
});

export const ALL_VISITS: readonly Visit[] = [...Object.values(VISITS).flat(), ...KIOSK_VISITS];

/** Opens a screen in a new document, so that it inherits nothing from the last screen. */
export async function visit(page: Page, gatewayUrl: string, screen: Visit): Promise<void> {
  const address = await addressOf(page, gatewayUrl, screen);
  if (address === undefined) throw new Error(`no link to the screen "${screen.name}"`);
  await page.goto("about:blank");
  await page.goto(address);
  await page.locator(screen.ready).first().waitFor();
  await screen.prepare?.(page);
}

/** Finds the link if the address is not fixed. Undefined when the gateway has nothing to show there. */
export async function addressOf(page: Page, gatewayUrl: string, { at, kiosk }: Visit): Promise<string | undefined> {
  const base = `${gatewayUrl}${kiosk === true ? "?kiosk=1" : ""}`;
  if (typeof at === "string") return `${base}${at}`;
  const [list] = VISITS[at.on];
  const listAddress = await addressOf(page, gatewayUrl, list);
  if (listAddress === undefined) return undefined;
  await page.goto(listAddress);
  await page.locator(list.ready).first().waitFor();
  for (const selector of at.links) {
    const link = await page.$(selector);
    if (link !== null) return `${base}${await link.getAttribute("href")}`;
  }
  return undefined;
}

async function openSilenceForm(page: Page): Promise<void> {
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

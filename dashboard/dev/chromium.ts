import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The path of Chromium: `WEIR_CHROMIUM` or a usual place. Undefined if it is not installed. */
export function findChromium(): string | undefined {
  return [process.env.WEIR_CHROMIUM ?? "", ...PLACES].find((path) => path !== "" && existsSync(path));
}

/** A browser that makes only the requests of the page under test. */
export const CHROMIUM_ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export async function launchChromium(executablePath: string): Promise<Browser> {
  return await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
}

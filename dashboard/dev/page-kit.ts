import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, ConsoleMessage, Page } from "playwright-core";
import { build } from "vite";
import { launchChromium } from "./chromium.ts";

/** For the tests: a build of the page in its own folder, and a browser. */
export interface PageKit {
  readonly pageDir: string;
  /** Errors and warnings in the pages' consoles, and requests to anything but their gateway. */
  readonly complaints: string[];
  open(gatewayUrl: string, look?: { readonly colorScheme?: "light" | "dark"; readonly width?: number }): Promise<Page>;
  close(): Promise<void>;
}

const WAIT_MS = 15_000;

export async function openPageKit(chromium: string): Promise<PageKit> {
  const pageDir = await mkdtemp(join(tmpdir(), "weir-page-"));
  const [, browser]: [unknown, Browser] = await Promise.all([
    build({
      configFile: fileURLToPath(new URL("../vite.config.ts", import.meta.url)),
      build: { outDir: pageDir, emptyOutDir: true },
      logLevel: "error",
    }),
    launchChromium(chromium),
  ]);
  const complaints: string[] = [];
  return {
    pageDir,
    complaints,
    async open(gatewayUrl, look = {}) {
      const context = await browser.newContext({
        viewport: { width: look.width ?? 1280, height: 800 },
        colorScheme: look.colorScheme ?? "light",
      });
      const page = await context.newPage();
      page.setDefaultTimeout(WAIT_MS);
      page.on("console", (message: ConsoleMessage) => {
        if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("request", (request) => {
        if (!request.url().startsWith(gatewayUrl) && !request.url().startsWith("data:")) {
          complaints.push(`asked ${request.url()}`);
        }
      });
      return page;
    },
    async close() {
      await browser.close();
      await rm(pageDir, { recursive: true, force: true });
    },
  };
}

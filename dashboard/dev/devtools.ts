import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { CHROMIUM_ARGS } from "./chromium.ts";

type Parameters = Readonly<Record<string, unknown>>;
type Answer = Readonly<Record<string, unknown>>;

/** A target of the Chrome DevTools Protocol, or the browser itself. */
export interface Session {
  send(method: string, parameters?: Parameters): Promise<Answer>;
  on(event: string, listener: (parameters: Parameters) => void): void;
  off(event: string, listener: (parameters: Parameters) => void): void;
}

export interface BareBrowser extends Session {
  openPage(view: { readonly width: number; readonly height: number }): Promise<BarePage>;
  close(): Promise<void>;
}

export interface BarePage extends Session {
  /** The value of a JavaScript expression, as JSON. */
  evaluate<T>(expression: string): Promise<T>;
  waitFor(selector: string, timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Parameters;
  readonly result?: Answer;
  readonly error?: { readonly message: string };
}

const POLL_MS = 50;

/**
 * A browser without a driver, for measurements. Playwright receives a copy of each WebSocket frame, and the copying
 * takes processor time from the page.
 */
export async function startBareBrowser(executablePath: string): Promise<BareBrowser> {
  const home = await mkdtemp(join(tmpdir(), "weir-browser-"));
  const args = [...CHROMIUM_ARGS, ...STEADY_ARGS, "--remote-debugging-pipe", `--user-data-dir=${home}`];
  const child = spawn(executablePath, args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const connect = connectTo(child);
  const browser = connect(undefined);
  return {
    ...browser,
    async openPage(view) {
      const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
      const page = connect(String(sessionId));
      await page.send("Emulation.setDeviceMetricsOverride", { ...view, deviceScaleFactor: 1, mobile: false });
      // Content outside the window would not be drawn.
      const { windowId } = await browser.send("Browser.getWindowForTarget", { targetId });
      await browser.send("Browser.setWindowBounds", { windowId, bounds: view });
      return barePage(page, () => browser.send("Target.closeTarget", { targetId }));
    },
    async close() {
      const ended = once(child, "exit");
      await browser.send("Browser.close");
      await ended;
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Browsers slow down pages in the background, and this one is never in front. */
const STEADY_ARGS = [
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
  "--hide-scrollbars",
  "--no-default-browser-check",
];

function barePage(page: Session, end: () => Promise<unknown>): BarePage {
  async function evaluate<T>(expression: string): Promise<T> {
    const answer = await page.send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    const { result, exceptionDetails } = answer as {
      readonly result: { value: T };
      readonly exceptionDetails?: object;
    };
    if (exceptionDetails !== undefined) throw new Error(`the page threw: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }
  return {
    ...page,
    evaluate,
    async waitFor(selector, timeoutMs) {
      const deadlineMs = performance.now() + timeoutMs;
      while (!(await evaluate<boolean>(`document.querySelector(${JSON.stringify(selector)}) !== null`))) {
        if (performance.now() > deadlineMs) throw new Error(`timed out waiting for ${selector}`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
    async close() {
      await end();
    },
  };
}

/** Messages are JSON, each followed by a zero byte, over the child's descriptors 3 and 4. */
function connectTo(child: ChildProcess): (sessionId: string | undefined) => Session {
  const toBrowser = child.stdio[3] as Writable;
  const fromBrowser = child.stdio[4] as Readable;
  const events = new EventEmitter().setMaxListeners(0);
  const waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  let nextId = 1;
  let parts: string[] = [];

  function receive(message: Message): void {
    if (message.id === undefined) {
      events.emit(`${message.sessionId ?? ""} ${message.method}`, message.params ?? {});
      return;
    }
    const request = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error === undefined) request?.resolve(message.result ?? {});
    else request?.reject(new Error(message.error.message));
  }

  fromBrowser.setEncoding("utf8");
  fromBrowser.on("data", (chunk: string) => {
    const pieces = chunk.split("\0");
    for (const [index, piece] of pieces.entries()) {
      parts.push(piece);
      if (index === pieces.length - 1) return;
      receive(JSON.parse(parts.join("")) as Message);
      parts = [];
    }
  });
  toBrowser.on("error", () => {});
  child.once("exit", (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`the browser ended (${code})`));
  });

  return (sessionId) => ({
    send(method, params = {}) {
      const id = nextId++;
      const message = { id, method, params, ...(sessionId === undefined ? {} : { sessionId }) };
      toBrowser.write(`${JSON.stringify(message)}\0`);
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    },
    on: (event, listener) => void events.on(`${sessionId ?? ""} ${event}`, listener),
    off: (event, listener) => void events.off(`${sessionId ?? ""} ${event}`, listener),
  });
}

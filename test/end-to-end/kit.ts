import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect } from "vitest";
import { WebSocket } from "ws";
import { createFeedClient } from "../../contracts/feed-client/feed-client.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { GatewayProcess } from "../servers/gateway-process.ts";

/** The built command: these tests run what users run. */
export const WEIR = fileURLToPath(new URL("../../dist/gateway/main.js", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs `weir` to its end, within a bound. */
export async function weir(
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly input?: string;
    /** Once its output contains this, it is asked to stop. */
    readonly untilOutput?: string;
  },
): Promise<Ended> {
  const child = spawn(process.execPath, [WEIR, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  let found = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
      if (!found && options.untilOutput !== undefined && output.includes(options.untilOutput)) {
        found = true;
        child.kill("SIGTERM");
      }
    });
  }
  child.stdin.end(options.input ?? "");
  const timer = setTimeout(() => child.kill("SIGTERM"), 30_000);
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  clearTimeout(timer);
  return { code, output };
}

/** A folder with the given files, removed after the test. */
export async function tempFolder(files: Readonly<Record<string, string>> = {}): Promise<AsyncDisposableFolder> {
  const path = await mkdtemp(join(tmpdir(), "weir-test-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), content);
  }
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

interface AsyncDisposableFolder {
  readonly path: string;
  remove(): Promise<void>;
}

/** A gateway in a new folder with these files, which may include `rules/` and `weir.yaml`. Undone by `undo`. */
export async function startGateway(
  undo: (() => Promise<unknown>)[],
  options: {
    readonly files?: Readonly<Record<string, string>>;
    readonly rulesDir?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly flags?: readonly string[];
    readonly keepHttpPort?: boolean;
    /** Do not wait until every part is ready. */
    readonly unready?: boolean;
  },
): Promise<GatewayProcess> {
  const { path, remove } = await tempFolder(options.files);
  undo.push(remove);
  const { rulesDir = join(path, "rules"), env = {}, flags = [], keepHttpPort = false } = options;
  const command = [process.execPath, WEIR];
  const gateway = new GatewayProcess({
    command,
    dataDir: path,
    rulesDir,
    env,
    flags,
    keepHttpPort,
    startMsMax: 60_000,
  });
  undo.push(() => gateway.endLeftovers());
  undo.push(() => gateway.stop(30_000));
  await (options.unready ? gateway.launch() : gateway.start());
  return gateway;
}

/** Alert changes as pages get them, each as often as it arrived. */
export async function watchAlerts(
  undo: (() => Promise<unknown>)[],
  httpPort: number,
): Promise<{ readonly changes: AlertChange[] }> {
  const changes: AlertChange[] = [];
  const client = createFeedClient({ url: `ws://127.0.0.1:${httpPort}/feed`, WebSocket });
  undo.push(async () => client.close());
  const take = (items: readonly AlertChange[]) => {
    changes.push(...items);
  };
  client.subscribe({ channel: "alerts" }, { onSnapshot: take, onUpdate: take });
  await expect.poll(() => client.status().state, { timeout: 10_000 }).toBe("open");
  return { changes };
}

/** The embedded store's answer to SQL. Its gateway must have stopped: one process at a time opens the file. */
export async function duckdbRows(file: string, sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(file, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

import { createServer } from "node:net";
import { connect } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { UserError } from "../../domain/user-error.ts";
import { sleep } from "../async/sleep.ts";
import type { Durability } from "../log/port.ts";
import type { BinarySource } from "./binary-sources.ts";
import { type DataDir, newToken, openDataDir, runsWithConfig, type ServerRecord, urlOf } from "./data-dir.ts";
import { findNatsServer } from "./find-binary.ts";
import { FullDiskWatch } from "./full-disk.ts";
import { adoptProcess, type ServerProcess, startProcess } from "./server-process.ts";

const START_TIMEOUT_MS = 120_000;
const ADOPT_TIMEOUT_MS = 5_000;
const POLL_MS = 50;
const RESTART_WAIT_MS = 100;
const RESTART_WAIT_MS_MAX = 5_000;
/** A server that ran this long is restarted at once. */
const STEADY_MS = 30_000;
const PORT_TRIES = 3;

export interface LaunchOptions {
  /** Holds `nats.conf`, `nats.log`, `nats.json` and the store. One gateway at a time. */
  readonly dataDir: string;
  /** 0, the default, picks a free one. */
  readonly port?: number;
  readonly logger: Logger;
  /** Cancels the launch, and ends everything that it began. No effect after the launch. */
  readonly signal?: AbortSignal;
  /** Where to look for the server; for tests. */
  readonly sources?: readonly BinarySource[];
}

export interface LaunchedNatsServer {
  readonly url: string;
  readonly token: string;
  readonly version: string;
  readonly binary: string;
  readonly durability: Durability;
  /** Changes when the server had to be restarted. */
  readonly pid: number;
  /** Whether it was found running. */
  readonly adopted: boolean;
  /** Calls each time the server ends unexpectedly, before it is restarted. Returns a function that stops it. */
  onExit(listener: (reason: string) => void): () => void;
  /** Ends the server, and waits for it. */
  stop(): Promise<void>;
}

/** The server was found but does not start or answer; quotes the end of its log. */
export class NatsServerStartError extends UserError {
  override readonly name = "NatsServerStartError";
}

/** Takes over the running server of a data directory, or starts one; keeps it running until `stop`. */
export async function launchNatsServer(options: LaunchOptions): Promise<LaunchedNatsServer> {
  const { logger, signal = new AbortController().signal } = options;
  const dataDir = await openDataDir(options.dataDir);
  const left = await dataDir.readRecord();
  if (left !== undefined && (await canAdopt(left, dataDir, options.port ?? 0, logger))) {
    logger.info(`took over nats-server ${left.version} (process ${left.pid}) at ${urlOf(left)}`);
    return supervise({
      record: left,
      process: adoptProcess(left.pid, dataDir.configPath),
      adopted: true,
      dataDir,
      logger,
    });
  }
  const { path: binary, version } = await findNatsServer(logger, options.sources, signal);
  const durability = durabilityOf(version, logger);
  const token = newToken();
  for (let attempt = 1; ; attempt++) {
    const port = options.port || (await freePort());
    try {
      const server = { port, token, version, binary, durability };
      const process = await start({ server, dataDir, logger, signal });
      logger.info(`started nats-server ${version} (process ${process.pid}) at ${urlOf(server)}`);
      return supervise({ record: { ...server, pid: process.pid }, process, adopted: false, dataDir, logger });
    } catch (error) {
      const portTaken = error instanceof NatsServerStartError && error.message.includes("address already in use");
      if (options.port || !portTaken || attempt === PORT_TRIES) throw error;
    }
  }
}

type Launchable = Omit<ServerRecord, "pid">;

async function start(options: {
  readonly server: Launchable;
  readonly dataDir: DataDir;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}): Promise<ServerProcess> {
  const { server, dataDir, logger, signal } = options;
  signal.throwIfAborted();
  await dataDir.writeConfig(server);
  const process = await startProcess(server.binary, dataDir.configPath, dataDir.logPath);
  await dataDir.writeRecord({ ...server, pid: process.pid });
  let endedWith: string | undefined;
  void process.ended.then((reason) => {
    endedWith = reason;
  });
  const startedMs = performance.now();
  let saidMs = startedMs;
  while (!(await answers(server))) {
    if (endedWith !== undefined) {
      await dataDir.removeRecord();
      throw new NatsServerStartError(`${server.binary} ended (${endedWith}): ${await dataDir.logTail()}`);
    }
    if (signal.aborted) {
      await process.stop();
      await dataDir.removeRecord();
      signal.throwIfAborted();
    }
    const nowMs = performance.now();
    if (nowMs - startedMs > START_TIMEOUT_MS) {
      await process.stop();
      throw new NatsServerStartError(`${server.binary} did not answer at ${urlOf(server)} in ${START_TIMEOUT_MS} ms`);
    }
    if (nowMs - saidMs > 10_000) {
      saidMs = nowMs;
      logger.info("nats-server is still loading its store");
    }
    await sleep(POLL_MS);
  }
  return process;
}

/**
 * Whether a running server is ours and answers. One of ours that does not answer is stopped: two servers must never
 * share a store.
 */
async function canAdopt(record: ServerRecord, dataDir: DataDir, port: number, logger: Logger): Promise<boolean> {
  const ours = await runsWithConfig(record.pid, dataDir.configPath);
  if (ours === false) return false;
  const untilMs = performance.now() + ADOPT_TIMEOUT_MS;
  const portFits = port === 0 || port === record.port;
  while (portFits && performance.now() < untilMs) {
    if (await answers(record)) return true;
    if (ours === undefined) return false;
    await sleep(POLL_MS);
  }
  if (ours === true) {
    const why = portFits ? "does not answer" : `listens on ${record.port}, not on ${port}`;
    logger.warn(`ending the nats-server from an earlier run (process ${record.pid}): it ${why}`);
    await adoptProcess(record.pid, dataDir.configPath).stop();
  }
  return false;
}

interface Supervised {
  record: ServerRecord;
  process: ServerProcess;
  readonly adopted: boolean;
  readonly dataDir: DataDir;
  readonly logger: Logger;
}

function supervise(state: Supervised): LaunchedNatsServer {
  const { dataDir, logger } = state;
  const { url, token, version, binary, durability } = { url: urlOf(state.record), ...state.record };
  const listeners = new Set<(reason: string) => void>();
  let stopping: Promise<void> | undefined;
  const abort = new AbortController();
  let restarting: Promise<void> = Promise.resolve();
  /** The next end of the server is our own doing. */
  let planned = false;

  function watch(): void {
    const sinceMs = performance.now();
    void state.process.ended.then((reason) => {
      if (stopping !== undefined) return;
      for (const listener of listeners) listener(reason);
      restarting = restart(reason, performance.now() - sinceMs > STEADY_MS ? 0 : RESTART_WAIT_MS);
    });
  }

  async function restart(reason: string, firstWaitMs: number): Promise<void> {
    if (!planned)
      logger.error(`nats-server (process ${state.process.pid}) ended unexpectedly: ${reason}; restarting it`);
    planned = false;
    let waitMs = firstWaitMs;
    while (stopping === undefined) {
      await sleep(waitMs);
      if (stopping !== undefined) return;
      try {
        state.process = await start({ server: state.record, dataDir, logger, signal: abort.signal });
        state.record = { ...state.record, pid: state.process.pid };
        logger.info(`nats-server runs again (process ${state.process.pid}) at ${url}`);
        watch();
        return;
      } catch (error) {
        if (abort.signal.aborted) return;
        waitMs = Math.min(Math.max(waitMs, RESTART_WAIT_MS) * 2, RESTART_WAIT_MS_MAX);
        logger.error({ err: error }, `nats-server did not start again; next try in ${waitMs} ms`);
      }
    }
  }

  async function restartWithRoom(): Promise<void> {
    if (stopping !== undefined) return;
    await restarting;
    planned = true;
    await state.process.stop();
    // The watch restarts it.
    await sleep(0);
    await restarting;
  }

  async function stop(): Promise<void> {
    abort.abort();
    disk.stop();
    await restarting;
    await state.process.stop();
    await dataDir.removeRecord();
    logger.info("nats-server stopped");
  }

  const disk = new FullDiskWatch({
    freeBytes: dataDir.freeBytes,
    logPath: dataDir.logPath,
    restart: restartWithRoom,
    logger,
  });
  void disk.start();
  watch();
  return {
    url,
    token,
    version,
    binary,
    durability,
    adopted: state.adopted,
    get pid() {
      return state.process.pid;
    },
    onExit(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** 2.9 refuses to start with `sync_interval` in its configuration. */
function durabilityOf(version: string, logger: Logger): Durability {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 2 || minor >= 10) return "synced";
  logger.warn(
    `nats-server ${version} syncs to disk every two minutes only: a power cut can lose what was acknowledged`,
  );
  return "stored";
}

async function answers(server: Pick<ServerRecord, "port" | "token">): Promise<boolean> {
  try {
    const { port, token } = server;
    const nc = await connect({ servers: `127.0.0.1:${port}`, token, reconnect: false, timeout: 1_000 });
    await nc.close();
    return true;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

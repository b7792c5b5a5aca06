import { createServer } from "node:net";
import { connect } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { UserError } from "../../domain/user-error.ts";
import { sleep } from "../async/sleep.ts";
import type { Durability } from "../log/port.ts";
import type { BinarySource } from "./binary-sources.ts";
import { type DataDir, newToken, openDataDir, runsWithConfig, type ServerRecord, urlOf } from "./data-dir.ts";
import { findNatsServer } from "./find-binary.ts";
import { adoptProcess, type ServerProcess, startProcess } from "./server-process.ts";
import { type LaunchedNatsServer, type SupervisedServer, Supervisor } from "./supervisor.ts";

export type { LaunchedNatsServer } from "./supervisor.ts";

const START_TIMEOUT_MS = 120_000;
const ADOPT_TIMEOUT_MS = 5_000;
const POLL_MS = 50;
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

function supervise(server: Omit<SupervisedServer, "start">): LaunchedNatsServer {
  const { record, dataDir, logger } = server;
  return new Supervisor({ ...server, start: (signal) => start({ server: record, dataDir, logger, signal }) }).start();
}

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

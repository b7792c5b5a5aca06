import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { runsWithConfig, runsWithConfigNow } from "./data-dir.ts";

const WATCH_EVERY_MS = 200;
const STOP_TIMEOUT_MS = 10_000;
/** There is less time when this process itself ends. */
const EXIT_TIMEOUT_MS = 4_000;
const EXIT_POLL_MS = 20;

/** A server process, started by us or by a gateway before us. */
export interface ServerProcess {
  readonly pid: number;
  /** Settles when the process has ended, with the way it ended. */
  readonly ended: Promise<string>;
  /** Asks it to end, kills it if it does not, and waits. */
  stop(): Promise<void>;
}

/**
 * Starts the server in its own process group: Ctrl-C does not end it, so messages in flight can be stored first. It
 * ends with this process, unless this process is killed: then the next gateway finds it running.
 */
export async function startProcess(binary: string, configPath: string, logPath: string): Promise<ServerProcess> {
  const output = openSync(logPath, "a", 0o600);
  let child: ChildProcess;
  try {
    child = spawn(binary, ["-c", configPath], { detached: true, stdio: ["ignore", output, output] });
  } finally {
    closeSync(output);
  }
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
    child.once("error", (error) => resolve(error.message));
  });
  child.unref();
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot run ${binary}: ${await ended}`);
  endAtExit(pid, configPath, ended);
  return { pid, ended, stop: () => stopProcess(pid, ended) };
}

/** Watches a server that is not our child. */
export function adoptProcess(pid: number, configPath: string): ServerProcess {
  const ended = new Promise<string>((resolve) => {
    async function look(): Promise<void> {
      if ((await runsWithConfig(pid, configPath)) === false) resolve("it is gone");
      else setTimeout(() => void look(), WATCH_EVERY_MS).unref();
    }
    void look();
  });
  endAtExit(pid, configPath, ended);
  return { pid, ended, stop: () => stopProcess(pid, ended) };
}

async function stopProcess(pid: number, ended: Promise<string>): Promise<void> {
  const running = Symbol("running");
  // Its id may belong to another process once it has ended.
  if ((await Promise.race([ended, Promise.resolve(running)])) !== running) return;
  signal(pid, "SIGTERM");
  // A stopped process handles SIGTERM only after it continues.
  signal(pid, "SIGCONT");
  const killer = setTimeout(() => signal(pid, "SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(killer);
}

/** However this process ends (an exception, a second Ctrl-C, a stop that takes too long), the server ends too. */
function endAtExit(pid: number, configPath: string, ended: Promise<string>): void {
  const endNow = () => endServer(pid, configPath);
  process.on("exit", endNow);
  void ended.then(() => process.off("exit", endNow));
}

/** Waits without the event loop, which no longer runs in an exiting process. */
function endServer(pid: number, configPath: string): void {
  if (!runsWithConfigNow(pid, configPath)) return;
  signal(pid, "SIGTERM");
  signal(pid, "SIGCONT");
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (const untilMs = performance.now() + EXIT_TIMEOUT_MS; performance.now() < untilMs; ) {
    Atomics.wait(cell, 0, 0, EXIT_POLL_MS);
    if (!runsWithConfigNow(pid, configPath)) return;
  }
  signal(pid, "SIGKILL");
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended already.
  }
}

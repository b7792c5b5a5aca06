import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { runsWithConfig } from "./data-dir.ts";

const WATCH_EVERY_MS = 200;
const STOP_TIMEOUT_MS = 10_000;

/** A server process, started by us or by a gateway before us. */
export interface ServerProcess {
  readonly pid: number;
  /** Settles when the process is gone, with how it ended. */
  readonly ended: Promise<string>;
  /** Asks it to end, makes it end when it does not, and waits. */
  stop(): Promise<void>;
}

/**
 * Starts the server in a process group of its own: neither Ctrl-C nor the death of the gateway ends it, so what is in
 * flight can be stored first, and the next gateway finds it running.
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
  return { pid, ended, stop: () => stopProcess(pid, ended) };
}

async function stopProcess(pid: number, ended: Promise<string>): Promise<void> {
  const running = Symbol("running");
  // Its id may be somebody else's once it has ended.
  if ((await Promise.race([ended, Promise.resolve(running)])) !== running) return;
  signal(pid, "SIGTERM");
  // A stopped process takes no SIGTERM before it runs again.
  signal(pid, "SIGCONT");
  const killer = setTimeout(() => signal(pid, "SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(killer);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already.
  }
}

import type { ChildProcess } from "node:child_process";
import { connect } from "node:net";

/** Another broker in its own process, for comparison. */
export interface Peer {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const READY_MS_MAX = 10_000;
const POLL_MS = 20;

export function peerOf(name: string, port: number, child: ChildProcess): Peer {
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} did not start`);
  return { name, port, pid, stop: () => endProcess(child) };
}

/** Ends a process that the bench started, and waits for it. Idempotent. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), READY_MS_MAX);
  await ended;
  clearTimeout(timer);
}

/** Resolves when something listens on the port. */
export async function listening(port: number, child: ChildProcess): Promise<void> {
  const endMs = performance.now() + READY_MS_MAX;
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`process ended with ${child.exitCode} before it listened on ${port}`);
    if (performance.now() > endMs) throw new Error(`nothing listens on ${port} after ${READY_MS_MAX} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** Processes of this machine, as far as it shows them. */
export interface Processes {
  /** This process; undefined where the system does not say. No other process ever has the same. */
  readonly self: string | undefined;
  /** Whether a process (`self` there) has ended; false when that cannot be seen from here. */
  hasEnded(process: string): boolean;
}

/** The states of a process that has ended, and whose parent has not noticed yet. */
const ENDED = new Set(["Z", "X"]);

/**
 * By /proc, so on Linux only. Elsewhere, and for processes of other machines or containers, it says nothing.
 */
export function systemProcesses(): Processes {
  const place = placeOf();
  const here = place === undefined ? undefined : `${place}/`;
  const started = statOf(process.pid)?.started;
  return {
    self: here === undefined || started === undefined ? undefined : `${here}${process.pid}/${started}`,
    hasEnded(other) {
      if (here === undefined || !other.startsWith(here)) return false;
      const [pid, startedThen] = other.slice(here.length).split("/");
      return pid !== undefined && startedThen !== undefined && isOver(Number(pid), startedThen);
    },
  };
}

/** Distinguishes a process from a later one with the same id. Empty where the system does not say. */
export function startedOf(pid: number): string {
  return statOf(pid)?.started ?? "";
}

/** The kernel's start and the namespace of process ids: two processes with the same see each other's ids. */
function placeOf(): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${hostname()}/${boot}/${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return undefined;
  }
}

function isOver(pid: number, started: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Any other error: it runs, as another user.
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return true;
  }
  const stat = statOf(pid);
  // Another user's process may be hidden.
  return stat !== undefined && (ENDED.has(stat.state) || stat.started !== started);
}

function statOf(pid: number): { readonly state: string; readonly started: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", started: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

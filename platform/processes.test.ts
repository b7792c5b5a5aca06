import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { startedOf, systemProcesses } from "./processes.ts";

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function start(command: string): ChildProcess {
  const child = spawn("sh", ["-c", command], { stdio: ["ignore", "pipe", "ignore"] });
  children.push(child);
  return child;
}

/** What a process of this machine would call itself. */
function named(pid: number, started = startedOf(pid)): string {
  const { self = "" } = systemProcesses();
  return `${self.split("/").slice(0, -2).join("/")}/${pid}/${started}`;
}

describe.skipIf(systemProcesses().self === undefined)("where the system shows processes", () => {
  const { self, hasEnded } = systemProcesses();

  test("a running process has not ended, also while it is stopped; a killed one has", async () => {
    const child = start("exec sleep 100");
    const name = named(child.pid ?? 0);
    expect(hasEnded(name)).toBe(false);
    child.kill("SIGSTOP");
    expect(hasEnded(name)).toBe(false);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(hasEnded(name)).toBe(true);
  });

  test("a killed process has ended although its parent has not noticed", async () => {
    // The second `sleep` is the parent of the first.
    const parent = start("sleep 100 & echo $!; exec sleep 100");
    const [line] = await once(parent.stdout ?? parent, "data");
    const pid = Number(`${line}`);
    const name = named(pid);
    expect(hasEnded(name)).toBe(false);
    // Until then the parent is the shell, which would notice.
    await expect.poll(() => readFileSync(`/proc/${parent.pid}/comm`, "utf8").trim()).toBe("sleep");
    process.kill(pid, "SIGKILL");
    await expect.poll(() => hasEnded(name)).toBe(true);
    expect(startedOf(pid)).not.toBe("");
  });

  test("a later process with the same id is another one", () => {
    expect(self).toBe(named(process.pid));
    expect(hasEnded(named(process.pid))).toBe(false);
    expect(hasEnded(named(process.pid, "1"))).toBe(true);
  });

  test("nothing is known of processes elsewhere", () => {
    expect(hasEnded(`elsewhere/${named(process.pid, "1")}`)).toBe(false);
    expect(hasEnded("")).toBe(false);
  });
});

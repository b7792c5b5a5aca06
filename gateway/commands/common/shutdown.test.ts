import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { pathToFileURL } from "node:url";
import { afterEach, expect, test } from "vitest";

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A process that takes `stopMs` to stop, and then ends with code 0. */
async function start(stopMs: number): Promise<ChildProcess> {
  const shutdown = pathToFileURL("dist/gateway/commands/common/shutdown.js");
  const code = `import { stopRequested } from "${shutdown}";
    const alive = setInterval(() => {}, 1000);
    const requested = stopRequested();
    process.stdout.write("ready");
    await requested;
    process.stdout.write("stopping");
    await new Promise((resolve) => setTimeout(resolve, ${stopMs}));
    clearInterval(alive);
    process.exit(0);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout as NodeJS.ReadableStream, "data");
  return child;
}

test("a Ctrl-C that arrives twice, from the terminal and from npm, counts once: the stop is not cut short", async () => {
  const child = await start(300);
  child.kill("SIGINT");
  child.kill("SIGINT");
  await once(child.stdout as NodeJS.ReadableStream, "data");
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("a second Ctrl-C some time later ends the process at once", async () => {
  const child = await start(60_000);
  child.kill("SIGINT");
  await once(child.stdout as NodeJS.ReadableStream, "data");
  const again = setInterval(() => child.kill("SIGINT"), 200);
  const exited = await once(child, "exit");
  clearInterval(again);
  expect(exited).toEqual([1, null]);
});

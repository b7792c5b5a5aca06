import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

const EXIT_MS_MAX = 20_000;
let folder = "";
let server = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-server-"));
  server = join(folder, "server");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A server that writes its process id and runs `onTerm` at SIGTERM. */
async function writeServer(onTerm: string): Promise<void> {
  await writeFile(server, `#!/bin/sh\ntrap '${onTerm}' TERM\necho $$ > ${folder}/pid\nwhile :; do sleep 0.1; done\n`);
  await chmod(server, 0o755);
}

async function isAlive(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).includes(server);
}

/** Runs a process that starts the server, waits until it runs, and runs this code; resolves to its exit code. */
async function startAndThen(ending: string): Promise<number | null> {
  const module = pathToFileURL("dist/platform/nats-server/server-process.js");
  const code = `import { existsSync } from "node:fs";
    import { startProcess } from "${module}";
    const { pid, stop } = await startProcess("${server}", "${folder}/nats.conf", "${folder}/nats.log");
    while (!existsSync("${folder}/pid")) await new Promise((resolve) => setTimeout(resolve, 10));
    ${ending}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: "ignore" });
  const timer = setTimeout(() => child.kill("SIGKILL"), EXIT_MS_MAX);
  const [exitCode] = await once(child, "exit");
  clearTimeout(timer);
  return exitCode;
}

const ENDINGS: readonly (readonly [what: string, ending: string, code: number])[] = [
  ["exits", "process.exit(3);", 3],
  ["throws", `throw new Error("on purpose");`, 1],
  [
    "rejects",
    `void Promise.reject(new Error("on purpose")); await new Promise(() => setInterval(() => {}, 1_000));`,
    1,
  ],
  ["throws in a callback", `setTimeout(() => { throw new Error("on purpose"); }, 1);`, 1],
  ["exits while its server is frozen", `process.kill(pid, "SIGSTOP"); process.exit(3);`, 3],
];

test.each(ENDINGS)("a process that %s ends its server", async (_what, ending, code) => {
  await writeServer("exit 0");
  expect(await startAndThen(ending)).toBe(code);
  expect(await isAlive(Number(await readFile(join(folder, "pid"), "utf8")))).toBe(false);
});

test("a server that does not end on request is killed", async () => {
  await writeServer("");
  expect(await startAndThen("process.exit(3);")).toBe(3);
  const pid = Number(await readFile(join(folder, "pid"), "utf8"));
  await expect.poll(() => isAlive(pid)).toBe(false);
});

test("a stopped server is left alone at the exit", async () => {
  await writeServer("exit 0");
  expect(await startAndThen("await stop();")).toBe(0);
});

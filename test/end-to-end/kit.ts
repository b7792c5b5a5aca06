import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

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
    /** Once this was said, it is told to stop. */
    readonly untilOutput?: string;
  },
): Promise<Ended> {
  const child = spawn(process.execPath, [WEIR, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  let told = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
      if (!told && options.untilOutput !== undefined && output.includes(options.untilOutput)) {
        told = true;
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

/** A folder with the given files, gone after the test. */
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

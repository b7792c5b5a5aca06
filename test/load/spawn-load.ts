import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { LoadOptions, LoadReport } from "./load.ts";

const runFile = promisify(execFile);

/** Runs the load in a separate process. Only from the built tree: it starts `main.js` beside this file. */
export async function spawnLoad(options: LoadOptions): Promise<LoadReport> {
  const main = fileURLToPath(new URL("./main.js", import.meta.url));
  const { stdout } = await runFile(process.execPath, [main, JSON.stringify(options)]);
  return JSON.parse(stdout);
}

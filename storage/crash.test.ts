import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, it } from "vitest";
import { READINGS_PER_FRAME } from "./testing/crash-log.ts";
import { temporaryFolder } from "./testing/testing.ts";

const FRAMES = 3000;
const KILLS = 4;
const CHILD = fileURLToPath(new URL("./testing/crash-child.ts", import.meta.url));
const RUN =
  "const { runnerImport } = await import('vite'); await runnerImport(process.env.WEIR_CRASH_FILE, { configFile: false })";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let child: ChildProcess | undefined;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(async () => {
  child?.kill("SIGKILL");
  await folder.remove();
});

/** Starts the child, and kills it some time after its first write. */
async function runAndKill(file: string, afterMs: number): Promise<void> {
  const env = { ...process.env, WEIR_CRASH_CHILD: `${file}|${FRAMES}`, WEIR_CRASH_FILE: CHILD };
  const running = spawn(process.execPath, ["--input-type=module", "-e", RUN], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child = running;
  let said = "";
  running.stderr.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  await new Promise<void>((resolve, reject) => {
    running.stdout.once("data", () => resolve());
    running.once("exit", (code) => reject(new Error(`the child ended with ${code}: ${said}`)));
  });
  // The time of the kill is the test's input, not a wait for something.
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  await new Promise((resolve) => {
    running.once("exit", resolve);
    running.kill("SIGKILL");
  });
}

it("loses and repeats nothing when killed during a write", async () => {
  const file = join(folder.path, "history.duckdb");
  let before = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    await runAndKill(file, kill * 61);
    const instance = await DuckDBInstance.create(file);
    const connection = await instance.connect();
    const [row] = (
      await connection.runAndReadAll(
        `SELECT (SELECT sequence FROM positions WHERE stream = 'READINGS')::INT, count(*)::INT,
          count(DISTINCT time)::INT, count(*) FILTER (epoch_us(time) - 1763769600000000 <> value)::INT FROM readings`,
      )
    ).getRows();
    connection.closeSync();
    instance.closeSync();
    const applied = Number(row?.[0]);
    expect(applied).toBeGreaterThan(before);
    // The file holds exactly the contents of the applied messages.
    expect(row).toEqual([applied, applied * READINGS_PER_FRAME, applied * READINGS_PER_FRAME, 0]);
    before = applied;
  }
}, 120_000);

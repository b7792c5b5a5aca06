import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** Benches do not compile the page: its tools are in the sources. */
const RUN = fileURLToPath(new URL("../../dashboard/dev/run.js", import.meta.url));
/** Ten minutes, after a trace of one minute. */
const HEAP_SECONDS_PER_SECOND = 10;

/** The page in a real browser: the frames and tasks of a trace, and the size of the heap over time. */
export async function benchPage(options: { readonly seconds: number; readonly charts: number }): Promise<boolean> {
  const { seconds, charts } = options;
  const heapSeconds = seconds * HEAP_SECONDS_PER_SECOND;
  const args = ["measure", "--seconds", seconds, "--heap-seconds", heapSeconds, "--charts", charts];
  const child = spawn(process.execPath, [RUN, ...args.map(String)], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  return code === 0;
}

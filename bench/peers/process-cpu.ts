import { readFile } from "node:fs/promises";

/** Linux counts CPU time in hundredths of a second, on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface ProcessCpu {
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly totalSeconds: number;
}

/** The CPU time of all threads of a process so far, from `/proc/<pid>/stat`. */
export async function processCpu(pid: number): Promise<ProcessCpu> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may contain spaces, so fields are counted from its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const userSeconds = Number(fields[11]) / TICKS_PER_SECOND;
  const systemSeconds = Number(fields[12]) / TICKS_PER_SECOND;
  return { userSeconds, systemSeconds, totalSeconds: userSeconds + systemSeconds };
}

const BYTES_PER_PAGE = 4_096;

/** Resident memory of a process in MiB, from `/proc/<pid>/statm`. */
export async function residentMib(pid: number): Promise<number> {
  const [, pages] = (await readFile(`/proc/${pid}/statm`, "utf8")).split(" ");
  return (Number(pages) * BYTES_PER_PAGE) / 1_048_576;
}

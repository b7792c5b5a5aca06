import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ThreadFigures } from "./probe.ts";

/** What a process holds. */
export interface Footprint {
  readonly reloads: number;
  readonly rssBytes: number;
  readonly threads: readonly ThreadFigures[];
  /** Open files and sockets; undefined where there is no /proc. */
  readonly descriptors: number | undefined;
  readonly watches: number | undefined;
}

const POLL_MS = 50;
const ANSWER_MS_MAX = 60_000;

/** Asks the process' probe and the system. */
export async function footprint(pid: number, probeFile: string, reloads: number): Promise<Footprint> {
  const round = (await linesOf(probeFile)).reduce((newest, line) => Math.max(newest, line.round), 0) + 1;
  process.kill(pid, "SIGUSR2");
  const threads = await answers(probeFile, round);
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const rssBytes = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1_024;
  return { reloads, rssBytes, threads, ...(await openFiles(pid)) };
}

/** From every thread that has started. */
async function answers(probeFile: string, round: number): Promise<ThreadFigures[]> {
  const untilMs = performance.now() + ANSWER_MS_MAX;
  for (;;) {
    const lines = await linesOf(probeFile);
    const begun = new Set(lines.map(({ thread }) => thread));
    const found = lines.filter((line) => line.round === round);
    if (found.length === begun.size) return found.sort((a, b) => (a.thread < b.thread ? -1 : 1));
    if (performance.now() > untilMs)
      throw new Error(`of ${begun.size} threads of the gateway ${found.length} answered in ${ANSWER_MS_MAX} ms`);
    await sleep(POLL_MS);
  }
}

async function linesOf(probeFile: string): Promise<ThreadFigures[]> {
  const text = await readFile(probeFile, "utf8").catch(() => "");
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line): ThreadFigures => JSON.parse(line));
}

async function openFiles(pid: number): Promise<Pick<Footprint, "descriptors" | "watches">> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => undefined);
  if (names === undefined) return { descriptors: undefined, watches: undefined };
  let watches = 0;
  for (const name of names) {
    const target = await readlink(`/proc/${pid}/fd/${name}`).catch(() => "");
    if (target !== "anon_inode:inotify") continue;
    const info = await readFile(`/proc/${pid}/fdinfo/${name}`, "utf8").catch(() => "");
    watches += info.split("\n").filter((line) => line.startsWith("inotify ")).length;
  }
  return { descriptors: names.length, watches };
}

const HEAP_GROWTH_MAX = 0.05;
const HEAP_SLACK_BYTES = 4 * 1_048_576;
const DESCRIPTORS_SLACK = 10;
const RESOURCES_SLACK = 10;

/** What grew between two moments by more than the normal variation of a running gateway. */
export function growth(before: Footprint, after: Footprint): string[] {
  const grown: string[] = [];
  const span = `from reload ${before.reloads} to ${after.reloads}`;
  for (const thread of after.threads) {
    const then = before.threads.find(({ thread: name }) => name === thread.thread);
    if (then === undefined) {
      grown.push(`the thread ${thread.thread} was not there at reload ${before.reloads}`);
      continue;
    }
    const bytesMax = then.heapBytes * (1 + HEAP_GROWTH_MAX) + HEAP_SLACK_BYTES;
    if (thread.heapBytes > bytesMax)
      grown.push(`the heap of ${thread.thread} grew ${span}: ${then.heapBytes} to ${thread.heapBytes} bytes`);
    for (const [kind, count] of Object.entries(thread.resources)) {
      const had = then.resources[kind] ?? 0;
      if (count > had + RESOURCES_SLACK) grown.push(`${kind} in ${thread.thread} grew ${span}: ${had} to ${count}`);
    }
  }
  const { descriptors = 0, watches = 0 } = before;
  if ((after.descriptors ?? 0) > descriptors + DESCRIPTORS_SLACK)
    grown.push(`open descriptors grew ${span}: ${descriptors} to ${after.descriptors}`);
  if ((after.watches ?? 0) > watches) grown.push(`watches grew ${span}: ${watches} to ${after.watches}`);
  return grown;
}

import { appendFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { BroadcastChannel, isMainThread, threadId, workerData } from "node:worker_threads";

/**
 * Loaded before the gateway (`--import`), in its main thread and in each service's thread. Every thread appends what
 * it holds to a file, one line each time: when it starts (round 0), and on SIGUSR2, after a garbage collection.
 */
export interface ThreadFigures {
  readonly round: number;
  readonly thread: string;
  readonly heapBytes: number;
  readonly externalBytes: number;
  /** Timers, sockets and watchers: how many of each keep this thread's event loop busy. */
  readonly resources: Readonly<Record<string, number>>;
}

const file = process.env.RELOAD_PROBE_FILE;
const COLLECTIONS = 3;

function collect(): void {
  setFlagsFromString("--expose-gc");
  const gc: () => void = runInNewContext("gc");
  for (let i = 0; i < COLLECTIONS; i++) gc();
}

function tell(round: number): void {
  if (file === undefined) return;
  collect();
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  const { heapUsed, external } = process.memoryUsage();
  const thread = isMainThread ? "main" : `${workerData?.name ?? "thread"} ${threadId}`;
  const figures: ThreadFigures = { round, thread, heapBytes: heapUsed, externalBytes: external, resources };
  appendFileSync(file, `${JSON.stringify(figures)}\n`);
}

if (file !== undefined) {
  const channel = new BroadcastChannel("weir-reload-probe");
  channel.unref();
  let rounds = 0;
  tell(0);
  if (isMainThread) {
    process.on("SIGUSR2", () => {
      const round = ++rounds;
      channel.postMessage(round);
      tell(round);
    });
  } else {
    channel.onmessage = ({ data }: { data: unknown }) => tell(Number(data));
  }
}

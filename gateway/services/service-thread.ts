import { parentPort, workerData } from "node:worker_threads";
import { type RunningService, runService } from "./run-service.ts";
import { SERVICES, type ServiceName } from "./services.ts";
import { type FromThread, type ToThread, toFailed } from "./thread-messages.ts";

/** The thread of one service. Loads its code at once, starts it when the plan is there, and stops it when asked to. */
const { name }: { readonly name: ServiceName } = workerData;

function say(message: FromThread): void {
  parentPort?.postMessage(message);
}

// A failure shows when it is loaded again, at its start.
SERVICES[name].load().catch(() => {});
let running: RunningService | undefined;
parentPort?.on("message", (message: ToThread) => void (message.kind === "start" ? start(message) : stop()));

async function start({ plan }: ToThread & { kind: "start" }): Promise<void> {
  try {
    running = await runService(name, plan);
    say({ kind: "ready", addresses: running.addresses });
  } catch (error) {
    say({ kind: "failed", error: toFailed(error) });
    parentPort?.close();
  }
}

async function stop(): Promise<void> {
  try {
    await running?.stop();
  } finally {
    say({ kind: "stopped" });
    parentPort?.close();
  }
}

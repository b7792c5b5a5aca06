import { parentPort, workerData } from "node:worker_threads";
import type { Plan } from "../settings/plan.ts";
import { type RunningService, runService } from "./run-service.ts";
import type { ServiceName } from "./services.ts";
import { type FromThread, toFailed } from "./thread-messages.ts";

/** The thread of one service. Starts it, and stops it at the first message. */
const { name, plan }: { readonly name: ServiceName; readonly plan: Plan } = workerData;

function say(message: FromThread): void {
  parentPort?.postMessage(message);
}

let running: RunningService | undefined;
parentPort?.once("message", () => {
  const stopped = running?.stop() ?? Promise.resolve();
  void stopped.finally(() => {
    say({ kind: "stopped" });
    parentPort?.close();
  });
});

try {
  running = await runService(name, plan);
  say({ kind: "ready", addresses: running.addresses });
} catch (error) {
  say({ kind: "failed", error: toFailed(error) });
  parentPort?.close();
}

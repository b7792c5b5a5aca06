import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { FeedClients, type Received } from "./feed/clients.ts";
import { servePlain, serveWeir } from "./feed/servers.ts";
import type { FeedLoad } from "./feed/world.ts";
import { printTable } from "./figures.ts";

const LOAD: FeedLoad = { clients: 1_000, subscriptions: 10, rate: 5_000, lines: 500, devices: 5_000 };
const P99_MS_MAX = 500;
const IDLE_MS = 2_000;
const SETTLE_MS = 3_000;

interface Measured {
  readonly received: Received;
  readonly seconds: number;
  /** CPU of the server with its clients and without any. */
  readonly cpuSeconds: number;
  readonly idleCpuPerSecond: number;
  readonly rssMebibytes: number;
}

/**
 * The dashboard feed with a thousand clients, each with ten filters, compared with a plain loop over WebSockets that sends
 * the same results to the same clients at the same rate. Servers and clients run in separate processes.
 */
export async function benchFeed(options: { readonly seconds: number }): Promise<boolean> {
  const { clients, subscriptions, rate } = LOAD;
  process.stdout.write(
    `\nThe feed: ${clients} clients x ${subscriptions} subscriptions, ${rate} window results/s, 4 updates/s each, ` +
      `${options.seconds} s\n`,
  );
  const plain = await measure("plain", options.seconds);
  const weir = await measure("weir", options.seconds);
  const perMessageUs = (measured: Measured) => (measured.cpuSeconds / measured.received.messages) * 1e6;
  const row = (name: string, measured: Measured) => [
    name,
    Math.round(measured.received.messages / measured.seconds),
    Math.round(measured.received.items / measured.seconds),
    (measured.received.bytes / measured.seconds / 1e6).toFixed(1),
    measured.received.p50Ms.toFixed(0),
    measured.received.p99Ms.toFixed(0),
    measured.received.maxMs.toFixed(0),
    (measured.cpuSeconds / measured.seconds).toFixed(2),
    measured.idleCpuPerSecond.toFixed(2),
    perMessageUs(measured).toFixed(1),
    Math.round(measured.rssMebibytes),
  ];
  printTable([
    ["server", "msgs/s", "items/s", "MB/s", "p50 ms", "p99 ms", "max ms", "cores", "idle", "us CPU/msg", "RSS MiB"],
    row("plain ws loop", plain),
    row("weir feed", weir),
  ]);
  const ratio = perMessageUs(weir) / perMessageUs(plain);
  process.stdout.write(
    `  p99 ${weir.received.p99Ms.toFixed(0)} ms (target < ${P99_MS_MAX}); CPU per message ${ratio.toFixed(2)} of the plain loop's\n`,
  );
  return weir.received.p99Ms < P99_MS_MAX && ratio <= 1;
}

async function measure(server: "weir" | "plain", seconds: number): Promise<Measured> {
  const [serving, hearing] = [startRole(server), startRole("clients")];
  try {
    const port = Number(await ask(serving, "start"));
    await delay(IDLE_MS);
    const idle = await cpuOf(serving);
    await delay(IDLE_MS);
    const idleCpuPerSecond = ((await cpuOf(serving)).seconds - idle.seconds) / (IDLE_MS / 1000);
    await ask(hearing, `connect ${port}`);
    await delay(SETTLE_MS);
    await ask(hearing, "reset");
    const before = await cpuOf(serving);
    const startedMs = performance.now();
    await delay(seconds * 1000);
    const after = await cpuOf(serving);
    const received: Received = JSON.parse(await ask(hearing, "received"));
    return {
      received,
      seconds: (performance.now() - startedMs) / 1000,
      cpuSeconds: after.seconds - before.seconds,
      idleCpuPerSecond,
      rssMebibytes: after.rssMebibytes,
    };
  } finally {
    serving.kill();
    hearing.kill();
  }
}

function startRole(role: string): ChildProcess {
  return fork(fileURLToPath(import.meta.url), [role], { stdio: "inherit" });
}

/** One request at a time: the next message from the child is its answer. */
function ask(child: ChildProcess, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error(`a process of the bench ended while it was asked to ${question}`));
    child.once("exit", onExit);
    child.once("message", (answer) => {
      child.off("exit", onExit);
      resolve(String(answer));
    });
    child.send(question);
  });
}

async function cpuOf(child: ChildProcess): Promise<{ readonly seconds: number; readonly rssMebibytes: number }> {
  return JSON.parse(await ask(child, "cpu"));
}

/** Answers requests in the bench's own processes. */
async function answer(role: string, clients: FeedClients, question: string): Promise<unknown> {
  const [word, argument] = question.split(" ");
  switch (word) {
    case "start":
      return role === "weir" ? await serveWeir(LOAD) : await servePlain(LOAD);
    case "connect":
      return await clients.connect(Number(argument), LOAD);
    case "reset":
      return clients.reset();
    case "received":
      return JSON.stringify(clients.received());
    case "cpu": {
      const { user, system } = process.cpuUsage();
      return JSON.stringify({ seconds: (user + system) / 1e6, rssMebibytes: process.memoryUsage.rss() / 2 ** 20 });
    }
    default:
      throw new RangeError(`unknown request: ${question}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const role = process.argv[2] ?? "";
  const clients = new FeedClients();
  process.on("message", (question) => {
    answer(role, clients, String(question)).then(
      (reply) => process.send?.(reply ?? ""),
      (error) => {
        process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
        process.exit(1);
      },
    );
  });
  process.on("disconnect", () => process.exit(0));
}

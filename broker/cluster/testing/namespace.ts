import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { pino } from "pino";
import { findNatsServer } from "../../../platform/nats-server/find-binary.ts";

/** Of private addresses, a network for each link; others for other processes. */
const netOf = (link: number) => `10.${128 + (process.pid % 100)}.${(Math.floor(process.pid / 100) % 60) * 4 + link}`;
const PORT = 4222;
/** Long enough that an edge is taken for dead. */
export const CUT_MS = Number(process.env.WEIR_TEST_CUT_SECONDS ?? 5) * 1_000;

/** A NATS server in a network namespace of its own, with a link for each edge. */
export interface RemoteNats {
  readonly servers: readonly string[];
  /** Takes the cable out at the server's end: packets vanish without a word. */
  cut(link: number): void;
  restore(link: number): void;
  stop(): Promise<void>;
}

/** The reason why this machine cannot have one, or the server. */
export async function startRemoteNats(links: number): Promise<RemoteNats | { readonly reason: string }> {
  const namespace = `weir-${process.pid}`;
  const names = Array.from({ length: links }, (_, i) => ({
    near: `wn${i}-${process.pid}`,
    far: `wf${i}-${process.pid}`,
  }));
  try {
    ip("netns", "add", namespace);
  } catch (error) {
    return { reason: `no network namespaces: ${error}` };
  }
  const inside = (...args: string[]) => ip("-n", namespace, ...args);
  try {
    inside("link", "set", "lo", "up");
    for (const [i, { near, far }] of names.entries()) {
      ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", namespace);
      ip("address", "add", `${netOf(i)}.1/24`, "dev", near);
      ip("link", "set", near, "up");
      inside("address", "add", `${netOf(i)}.2/24`, "dev", far);
      inside("link", "set", far, "up");
    }
  } catch (error) {
    ip("netns", "delete", namespace);
    return { reason: `no virtual links: ${error}` };
  }
  const folder = await mkdtemp(join(tmpdir(), "weir-remote-"));
  const child = await startServer(namespace, folder);
  const gone = once(child, "exit");
  const servers = names.map((_, i) => `nats://${netOf(i)}.2:${PORT}`);
  await answers(servers[0] ?? "");
  return {
    servers,
    cut: (link) => inside("link", "set", names[link]?.far ?? "", "down"),
    restore: (link) => inside("link", "set", names[link]?.far ?? "", "up"),
    async stop() {
      child.kill("SIGKILL");
      await gone;
      ip("netns", "delete", namespace);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startServer(namespace: string, folder: string): Promise<ChildProcess> {
  const { path } = await findNatsServer(pino({ level: "silent" }));
  const config = join(folder, "nats.conf");
  await writeFile(config, `port: ${PORT}\njetstream { store_dir: ${JSON.stringify(folder)}, sync_interval: always }\n`);
  return spawn("ip", ["netns", "exec", namespace, path, "-c", config], { stdio: "ignore" });
}

async function answers(server: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      const nc = await connect({ servers: server, reconnect: false });
      await nc.close();
      return;
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: "pipe" });
}

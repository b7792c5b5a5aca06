import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { endProcess, listening, type Peer, peerOf } from "./peer.ts";

/** Starts a Node program of the built tree that prints its port on its first line. */
export async function startNodePeer(name: string, program: string, args: readonly string[] = []): Promise<Peer> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const port = Number(await firstLine(name, child));
  return peerOf(name, port, child);
}

/** Aedes without hooks. Only works in the built tree. */
export function startBareAedes(): Promise<Peer> {
  return startNodePeer("bare aedes", fileURLToPath(new URL("./bare-aedes.js", import.meta.url)));
}

/** Debian's mosquitto, anonymous, without persistence and without a limit on messages in flight. */
export async function startMosquitto(): Promise<Peer> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), "weir-mosquitto-"));
  const config = join(folder, "mosquitto.conf");
  await writeFile(
    config,
    [`listener ${port} 127.0.0.1`, "allow_anonymous true", "max_inflight_messages 0", "log_type error", ""].join("\n"),
  );
  const child = spawn("mosquitto", ["-c", config], { stdio: ["ignore", "ignore", "inherit"] });
  const failed = new Promise<never>((_, reject) => {
    child.once("error", (error) => {
      reject(new Error("mosquitto did not start; install it with `apt-get install mosquitto`", { cause: error }));
    });
  });
  try {
    await Promise.race([listening(port, child), failed]);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  const peer = peerOf("mosquitto", port, child);
  async function stop(): Promise<void> {
    await endProcess(child);
    await rm(folder, { recursive: true, force: true });
  }
  return { ...peer, stop };
}

async function firstLine(name: string, child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error(`${name} has no output`);
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) return line;
  throw new Error(`${name} ended without printing its port`);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(address !== null && typeof address === "object" ? address.port : 0));
    });
  });
}

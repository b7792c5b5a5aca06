import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { freePort } from "./free-port.ts";

export interface Mosquitto {
  readonly url: string;
  /** The same broker over WebSocket. */
  readonly wsUrl: string;
  /** With TLS, if certificates are given. */
  readonly tlsUrl: string;
  /** Ends it, and keeps undelivered messages. */
  pause(): Promise<void>;
  /** Restarts it after `pause`, on the same port. */
  resume(): Promise<void>;
  stop(): Promise<void>;
}

export interface MosquittoOptions {
  /** PEM files. */
  readonly tls?: {
    readonly certFile: string;
    readonly keyFile: string;
    /** The authority whose clients are let in; without one, all are. */
    readonly clientCaFile?: string;
  };
  /** Further lines of its configuration. Default: everyone may do everything. */
  readonly access?: readonly string[];
}

const START_MS_MAX = 10_000;

/** A mosquitto on a free loopback port that keeps sessions across restarts, and any number of waiting messages. */
export async function startMosquitto({ tls, access }: MosquittoOptions = {}): Promise<Mosquitto> {
  const folder = await mkdtemp(join(tmpdir(), "weir-mosquitto-"));
  const [port, wsPort, tlsPort] = [await freePort(), await freePort(), await freePort()];
  const config = join(folder, "mosquitto.conf");
  const lines = [
    `listener ${port} 127.0.0.1`,
    `listener ${wsPort} 127.0.0.1`,
    "protocol websockets",
    ...(tls === undefined ? [] : tlsLines(tlsPort, tls)),
    ...(access ?? ["allow_anonymous true"]),
    "persistence true",
    `persistence_location ${folder}/`,
    "max_queued_messages 0",
    "log_type error",
    // Started by root, it would switch to a user that may not write to the folder.
    ...(process.getuid?.() === 0 ? ["user root"] : []),
  ];
  await writeFile(config, `${lines.join("\n")}\n`);
  let server: ChildProcess | undefined;

  async function end(): Promise<void> {
    const child = server;
    server = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => {
      child.once("exit", resolve);
      child.kill("SIGTERM");
    });
  }

  async function begin(): Promise<void> {
    // Debian installs it in a folder that is only on root's PATH.
    const env = { ...process.env, PATH: [process.env.PATH, "/usr/sbin"].join(delimiter) };
    const child = spawn("mosquitto", ["-c", config], { stdio: ["ignore", "ignore", "pipe"], env });
    server = child;
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-2000);
    });
    child.once("error", (error) => {
      said = String(error);
    });
    const untilMs = performance.now() + START_MS_MAX;
    const ports = tls === undefined ? [port] : [port, tlsPort];
    while (!(await Promise.all(ports.map(listens))).every(Boolean)) {
      if (child.exitCode !== null || performance.now() > untilMs) throw new Error(`mosquitto did not start: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async function stop(): Promise<void> {
    await end();
    await rm(folder, { recursive: true, force: true });
  }

  try {
    await begin();
  } catch (error) {
    await stop();
    throw error;
  }
  const [url, wsUrl] = [`mqtt://127.0.0.1:${port}`, `ws://127.0.0.1:${wsPort}`];
  return { url, wsUrl, tlsUrl: `mqtts://localhost:${tlsPort}`, pause: end, resume: begin, stop };
}

function tlsLines(port: number, { certFile, keyFile, clientCaFile }: NonNullable<MosquittoOptions["tls"]>): string[] {
  const clients = clientCaFile === undefined ? [] : [`cafile ${clientCaFile}`, "require_certificate true"];
  return [`listener ${port} 127.0.0.1`, `certfile ${certFile}`, `keyfile ${keyFile}`, ...clients];
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

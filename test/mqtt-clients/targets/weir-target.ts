import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../servers/free-port.ts";
import { GatewayProcess } from "../../servers/gateway-process.ts";
import { makeCertificate } from "./certificate.ts";
import { STRANGER, type Target, USER } from "./target.ts";

/** The built command, which users run. */
const WEIR = fileURLToPath(new URL("../../../dist/gateway/main.js", import.meta.url));
const START_MS_MAX = 60_000;

export interface WeirTarget extends Target {
  readonly gateway: GatewayProcess;
}

/** A whole `weir up` in a folder of its own, with users, TLS and WebSocket. */
export async function startWeirTarget(weir = WEIR): Promise<WeirTarget> {
  const folder = await mkdtemp(join(tmpdir(), "weir-mqtt-clients-"));
  const { certFile, keyFile } = await makeCertificate(folder);
  const [tls, ws] = [await freePort(), await freePort()];
  const users = [
    { name: USER.username, password: await hashOf(weir, folder, USER), ...topics("clients/#", "homeassistant/#") },
    { name: STRANGER.username, password: await hashOf(weir, folder, STRANGER), publish: [], subscribe: [] },
  ];
  await writeFile(join(folder, "users.yaml"), JSON.stringify({ users }));
  const config = {
    broker: { users_file: "users.yaml", tls: { cert_file: certFile, key_file: keyFile, port: tls } },
    // Texts below this topic are readings; all else becomes a dead letter, and is acknowledged like a reading.
    sources: [{ topic: "clients/{device}/readings/{metric}", format: "value" }],
  };
  await writeFile(join(folder, "weir.yaml"), JSON.stringify(config));
  await mkdir(join(folder, "rules"));
  const gateway = new GatewayProcess({
    command: [process.execPath, weir],
    dataDir: folder,
    rulesDir: join(folder, "rules"),
    env: {},
    flags: ["--mqtt-ws-port", String(ws), "--config", join(folder, "weir.yaml")],
    startMsMax: START_MS_MAX,
  });
  try {
    await gateway.start();
  } catch (error) {
    await gateway.stop(START_MS_MAX);
    throw error;
  }
  return {
    name: "weir",
    host: "127.0.0.1",
    ports: { tcp: gateway.info.mqttPort, tls, ws },
    caFile: certFile,
    gateway,
    async stop() {
      await gateway.stop(START_MS_MAX);
      await gateway.endLeftovers();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function topics(...allowed: readonly string[]) {
  return { publish: allowed, subscribe: allowed };
}

/** As `weir passwd` prints it. */
async function hashOf(
  weir: string,
  folder: string,
  { username, password }: { readonly username: string; readonly password: string },
): Promise<string> {
  const child = spawn(process.execPath, [weir, "passwd", username], { cwd: folder, stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  child.stdin.end(`${password}\n`);
  await new Promise((resolve) => child.once("close", resolve));
  const hash = /password: "([^"]+)"/.exec(said)?.[1];
  if (hash === undefined) throw new Error(`weir passwd printed no hash: ${said}`);
  return hash;
}

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "../../servers/free-port.ts";
import { makeCertificate } from "./certificate.ts";
import { REFUSED_TOPIC, STRANGER, type Target, USER } from "./target.ts";

const START_MS_MAX = 10_000;

/**
 * Eclipse Mosquitto, to check the scenarios themselves: what it passes is right, and what it fails is a fault of the
 * scenario, or of Mosquitto.
 */
export async function startMosquittoTarget(): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), "weir-mqtt-clients-"));
  const { certFile, keyFile } = await makeCertificate(folder);
  const ports = { tcp: await freePort(), tls: await freePort(), ws: await freePort() };
  const passwords = join(folder, "passwords");
  await writeFile(passwords, "");
  for (const { username, password } of [USER, STRANGER]) {
    await promisify(execFile)("mosquitto_passwd", ["-b", passwords, username, password]);
  }
  await writeFile(
    join(folder, "acl"),
    `user ${USER.username}\ntopic deny ${REFUSED_TOPIC}\ntopic readwrite #\nuser ${STRANGER.username}\ntopic deny #\n`,
  );
  const lines = [
    `password_file ${passwords}`,
    `acl_file ${join(folder, "acl")}`,
    "allow_anonymous false",
    "log_type error",
    ...(process.getuid?.() === 0 ? ["user root"] : []),
    `listener ${ports.tcp} 127.0.0.1`,
    `listener ${ports.tls} 127.0.0.1`,
    `certfile ${certFile}`,
    `keyfile ${keyFile}`,
    `listener ${ports.ws} 127.0.0.1`,
    "protocol websockets",
  ];
  const config = join(folder, "mosquitto.conf");
  await writeFile(config, `${lines.join("\n")}\n`);
  const env = { ...process.env, PATH: [process.env.PATH, "/usr/sbin"].join(delimiter) };
  const child = spawn("mosquitto", ["-c", config], { stdio: "ignore", env });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const untilMs = performance.now() + START_MS_MAX;
  while (!(await listens(ports.ws))) {
    if (child.exitCode !== null || performance.now() > untilMs) throw new Error("mosquitto did not start");
    await sleep(20);
  }
  return {
    name: "mosquitto",
    host: "127.0.0.1",
    ports,
    caFile: certFile,
    async stop() {
      child.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
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

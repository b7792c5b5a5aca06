import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { diskSpaceOf } from "../disk/disk-watch.ts";
import type { Durability } from "../log/port.ts";

const PRIVATE = 0o600;
const LOG_TAIL_BYTES = 2_000;
const STORE_BYTES_MAX = 2 ** 60;

/** The known facts about the server of a data directory, kept in its `nats.json`. */
export interface ServerRecord {
  readonly pid: number;
  readonly port: number;
  readonly token: string;
  readonly version: string;
  readonly binary: string;
  readonly durability: Durability;
}

export interface DataDir {
  readonly configPath: string;
  readonly logPath: string;
  /** Free space on its disk. */
  freeBytes(): Promise<number>;
  /** Writes the server's configuration, which admits only clients on this machine that have the token. */
  writeConfig(server: Pick<ServerRecord, "port" | "token" | "durability">): Promise<void>;
  readRecord(): Promise<ServerRecord | undefined>;
  writeRecord(record: ServerRecord): Promise<void>;
  removeRecord(): Promise<void>;
  /** The end of the server's own log, to explain why it did not start. */
  logTail(): Promise<string>;
}

/** Free bytes on the disk of the server's store. */
export async function storeFreeBytes(dataDir: string): Promise<number> {
  return (await diskSpaceOf(storeOf(resolve(dataDir)))).freeBytes;
}

export function urlOf({ port }: Pick<ServerRecord, "port">): string {
  return `nats://127.0.0.1:${port}`;
}

function storeOf(directory: string): string {
  return join(directory, "nats");
}

export function newToken(): string {
  return randomBytes(24).toString("hex");
}

export async function openDataDir(path: string): Promise<DataDir> {
  const directory = resolve(path);
  await mkdir(directory, { recursive: true });
  const configPath = join(directory, "nats.conf");
  const logPath = join(directory, "nats.log");
  const recordPath = join(directory, "nats.json");
  return {
    configPath,
    logPath,
    freeBytes: async () => (await diskSpaceOf(directory)).freeBytes,
    async writeConfig({ port, token, durability }) {
      const lines = [
        "# Written by Weir at each start.",
        `server_name: ${JSON.stringify(`weir-${port}`)}`,
        `listen: "127.0.0.1:${port}"`,
        `authorization { token: ${JSON.stringify(token)} }`,
        `log_file: ${JSON.stringify(logPath)}`,
        "logfile_size_limit: 16MB",
        "jetstream {",
        `  store_dir: ${JSON.stringify(storeOf(directory))}`,
        // Weir divides the disk among the streams. The server would check their sizes against three quarters of the
        // space that is free at its start, without the space that they already use.
        `  max_file_store: ${STORE_BYTES_MAX}`,
        ...(durability === "synced" ? ["  sync_interval: always"] : []),
        "}",
      ];
      await replaceFile(configPath, `${lines.join("\n")}\n`);
    },
    readRecord: () => readServerRecord(path),
    writeRecord: (record) => replaceFile(recordPath, `${JSON.stringify(record, undefined, 2)}\n`),
    removeRecord: () => rm(recordPath, { force: true }),
    logTail: () => tailOf(logPath),
  };
}

/** The content of `nats.json` in a data directory. Creates nothing. */
export async function readServerRecord(dataDir: string): Promise<ServerRecord | undefined> {
  try {
    return parseRecord(JSON.parse(await readFile(join(resolve(dataDir), "nats.json"), "utf8")));
  } catch {
    // Missing, or truncated by a crash: there is nothing to use.
    return undefined;
  }
}

/**
 * Whether a process is the server of this data directory; undefined when the system does not say. Its id alone says
 * nothing: ids are reused. (A dead process that was not waited for has no command line.)
 */
export async function runsWithConfig(pid: number, configPath: string): Promise<boolean | undefined> {
  if (!isAlive(pid)) return false;
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => commandFromPs(pid));
  return command?.includes(configPath);
}

/** Like `runsWithConfig`, for a process that is about to exit. False when the system does not say. */
export function runsWithConfigNow(pid: number, configPath: string): boolean {
  if (!isAlive(pid)) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(configPath);
  } catch {
    try {
      return execFileSync("ps", ["-p", `${pid}`, "-o", "command="], { encoding: "utf8" }).includes(configPath);
    } catch {
      return false;
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

async function commandFromPs(pid: number): Promise<string | undefined> {
  try {
    return (await promisify(execFile)("ps", ["-p", `${pid}`, "-o", "command="])).stdout;
  } catch {
    return undefined;
  }
}

function parseRecord(value: unknown): ServerRecord | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { pid, port, token, version, binary, durability } = value as Readonly<Record<string, unknown>>;
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid <= 1) return undefined;
  if (typeof port !== "number" || typeof token !== "string") return undefined;
  if (typeof version !== "string" || typeof binary !== "string") return undefined;
  return { pid, port, token, version, binary, durability: durability === "synced" ? "synced" : "stored" };
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await rm(temporary, { force: true });
  await writeFile(temporary, text, { mode: PRIVATE });
  await rename(temporary, path);
}

async function tailOf(path: string): Promise<string> {
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) return "";
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES));
    await file.read(buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString("utf8").trim();
  } finally {
    await file.close();
  }
}

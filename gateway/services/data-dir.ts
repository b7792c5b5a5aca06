import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../domain/user-error.ts";
import { startedOf } from "../../platform/processes.ts";

/** Another gateway uses the folder. */
export class DataDirInUseError extends UserError {
  override readonly name = "DataDirInUseError";

  constructor(dataDir: string, pid: number) {
    super(
      `${dataDir} is in use by another gateway (process ${pid}). Stop it, or give this gateway its own folder with --data-dir (WEIR_DATA_DIR).`,
    );
  }
}

/** The facts about a running gateway that commands read: run.json in the data folder. */
export interface RunFile {
  readonly pid: number;
  readonly natsUrl: string;
  readonly natsToken: string | undefined;
  readonly mqttPort: number | undefined;
  readonly mqttWsPort: number | undefined;
  readonly httpPort: number | undefined;
}

export interface DataDir {
  writeRunFile(run: RunFile): void;
  release(): void;
}

interface Owner {
  readonly pid: number;
  readonly started: string;
}

/** Locks the folder for this process, and creates it if it is missing. Throws DataDirInUseError. */
export function takeDataDir(dataDir: string): DataDir {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lockFile = join(dataDir, "weir.lock");
  const runFile = join(dataDir, "run.json");
  const owner: Owner = { pid: process.pid, started: startedOf(process.pid) };
  for (;;) {
    try {
      const file = openSync(lockFile, "wx", 0o600);
      writeSync(file, JSON.stringify(owner));
      closeSync(file);
      break;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      const other = readOwner(lockFile);
      if (other && isAlive(other)) throw new DataDirInUseError(dataDir, other.pid);
      rmSync(lockFile, { force: true });
    }
  }
  rmSync(runFile, { force: true });
  return {
    writeRunFile: (run) => writeFileSync(runFile, `${JSON.stringify(run, undefined, 2)}\n`, { mode: 0o600 }),
    release() {
      rmSync(runFile, { force: true });
      rmSync(lockFile, { force: true });
    },
  };
}

/** What the gateway that runs on this folder wrote about itself; undefined when none runs. */
export function readRunFile(dataDir: string): RunFile | undefined {
  const owner = readOwner(join(dataDir, "weir.lock"));
  if (owner === undefined || !isAlive(owner)) return undefined;
  try {
    return JSON.parse(readFileSync(join(dataDir, "run.json"), "utf8"));
  } catch {
    // It is starting, or stopping.
    return undefined;
  }
}

function readOwner(lockFile: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(lockFile, "utf8"));
  } catch {
    return undefined;
  }
}

function isAlive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch {
    return false;
  }
  return startedOf(owner.pid) === owner.started;
}

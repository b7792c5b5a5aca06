import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test, vi } from "vitest";
import { tempFolder } from "./kit.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BOOTSTRAP = join(ROOT, "scripts", "bootstrap.mjs");
const GONE = { timeout: 30_000, interval: 100 };
const UP = { timeout: 60_000, interval: 20 };
// Two starts and two stops on a busy machine.
vi.setConfig({ testTimeout: 180_000 });
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface Found {
  readonly pid: number;
  readonly command: string;
}

/**
 * The processes with this folder in their command line. A process that has ended has none, even when its parent did
 * not wait for it.
 */
function processesOf(folder: string): Found[] {
  const found: Found[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      if (command.includes(folder)) found.push({ pid: Number(pid), command });
    } catch {
      // It ended while we read.
    }
  }
  return found;
}

const PARTS = {
  shell: /^\S*sh -c /,
  bootstrap: /^\S*node \S*scripts\/bootstrap\.mjs /,
  gateway: /^\S*node \S*dist\/gateway\/main\.js /,
  nats: /^\S*nats-server -c /,
};

class Run {
  readonly dataDir: string;
  readonly child: ChildProcess;
  said = "";

  constructor(folder: string, child: ChildProcess) {
    this.dataDir = join(folder, "data");
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk) => {
        this.said += chunk;
      });
    }
  }

  /** The leader of the process group that a terminal would signal: npm or the bootstrap. */
  get group(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error("it did not start");
    return pid;
  }

  pidOf(part: keyof typeof PARTS): number {
    const found = processesOf(this.dataDir).filter(({ command }) => PARTS[part].test(command));
    if (found.length !== 1) throw new Error(`${found.length} processes are the ${part}: ${this.said}`);
    return found[0]?.pid ?? 0;
  }

  has(part: keyof typeof PARTS): boolean {
    return processesOf(this.dataDir).some(({ command }) => PARTS[part].test(command));
  }

  ready(): Promise<void> {
    return expect.poll(() => this.said, UP).toContain("Weir is up.");
  }

  /** None of its processes lives on, within a bound. */
  async gone(): Promise<void> {
    await expect.poll(() => processesOf(this.dataDir), GONE).toEqual([]);
  }
}

async function start(
  command: readonly string[],
  options: { readonly folder?: string; readonly mqttPort?: number } = {},
): Promise<Run> {
  const { folder: path = await newFolder(), mqttPort = 0 } = options;
  const dirs = ["--data-dir", join(path, "data"), "--rules-dir", join(path, "rules")];
  const [program = "", ...args] = [...command, "--mqtt-port", `${mqttPort}`, "--http-port", "0", ...dirs];
  const child = spawn(program, args, { cwd: ROOT, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  undo.push(() => {
    for (const { pid } of processesOf(path)) kill(pid, "SIGKILL");
  });
  return new Run(path, child);
}

async function newFolder(): Promise<string> {
  const { path, remove } = await tempFolder({ "rules/none.yaml": "rules: []\n" });
  undo.push(remove);
  return path;
}

/** A negative id is a group. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

const BY_BOOTSTRAP = [process.execPath, BOOTSTRAP, "up"];
const BY_NPM = ["npm", "start", "--"];
const ctrlC = (run: Run) => kill(-run.group, "SIGINT");

const WAYS: readonly (readonly [name: string, command: readonly string[], signals: (run: Run) => unknown])[] = [
  ["Ctrl-C", BY_BOOTSTRAP, ctrlC],
  [
    "Ctrl-C twice at once",
    BY_BOOTSTRAP,
    (run) => {
      ctrlC(run);
      ctrlC(run);
    },
  ],
  ["Ctrl-C and again half a second later", BY_BOOTSTRAP, (run) => again(run, 500)],
  ["Ctrl-C and again three seconds later", BY_BOOTSTRAP, (run) => again(run, 3_000)],
  [
    "Ctrl-C, then SIGTERM for its parent",
    BY_BOOTSTRAP,
    (run) => {
      ctrlC(run);
      kill(run.group, "SIGTERM");
    },
  ],
  ["the terminal is closed", BY_BOOTSTRAP, (run) => kill(-run.group, "SIGHUP")],
  ["the bootstrap is killed", BY_BOOTSTRAP, (run) => kill(run.pidOf("bootstrap"), "SIGKILL")],
  ["npm start: Ctrl-C", BY_NPM, ctrlC],
  ["npm start: Ctrl-C and again three seconds later", BY_NPM, (run) => again(run, 3_000)],
  ["npm start: SIGTERM for npm only", BY_NPM, (run) => kill(run.group, "SIGTERM")],
  ["npm start: npm is killed", BY_NPM, (run) => kill(run.group, "SIGKILL")],
  ["npm start: SIGTERM for what npm started", BY_NPM, (run) => kill(run.pidOf("bootstrap"), "SIGTERM")],
  // Some shells are replaced by the program that they start.
  [
    "npm start: SIGTERM for npm's shell only",
    BY_NPM,
    (run) => kill(run.pidOf(run.has("shell") ? "shell" : "bootstrap"), "SIGTERM"),
  ],
];

async function again(run: Run, afterMs: number): Promise<void> {
  ctrlC(run);
  await delay(afterMs);
  ctrlC(run);
}

test.each(WAYS)("%s: neither Weir nor its nats-server is left", async (_name, command, signals) => {
  const run = await start(command);
  await run.ready();
  run.pidOf("nats");
  await signals(run);
  await run.gone();
});

test.each([
  ["its nats-server begins to start", "nats.conf"],
  ["its services begin to start", "started nats-server"],
])("SIGTERM when %s: nothing is left", async (_when, sign) => {
  const run = await start(BY_BOOTSTRAP);
  const begun = () => run.said.includes(sign) || processesOf(run.dataDir).some(({ command }) => command.includes(sign));
  await expect.poll(begun, { ...UP, interval: 1 }).toBe(true);
  kill(run.pidOf("gateway"), "SIGTERM");
  await run.gone();
});

test("a start that fails midway leaves nothing", async () => {
  const folder = await newFolder();
  const [config, users] = [join(folder, "weir.yaml"), join(folder, "users.yaml")];
  writeFileSync(users, "users: 7\n");
  writeFileSync(config, `broker: { users_file: ${users} }\n`);
  // The broker reads it, and comes last, when everything else runs.
  const run = await start([...BY_BOOTSTRAP, "--config", config], { folder });
  await expect.poll(() => run.said, UP).toContain("users.yaml:1:8: `users` must be a list");
  expect(run.said).toContain("started nats-server");
  await run.gone();
});

test("a port that is taken is named before anything starts", async () => {
  const first = await start(BY_BOOTSTRAP);
  await first.ready();
  const { mqttPort } = JSON.parse(readFileSync(join(first.dataDir, "run.json"), "utf8"));
  const second = await start(BY_BOOTSTRAP, { mqttPort });
  await second.gone();
  expect(second.said).not.toContain("started nats-server");
  expect(second.said).toContain(`cannot listen on 127.0.0.1:${mqttPort}`);
  ctrlC(first);
  await first.gone();
});

test.each([
  ["the stop has an end", ctrlC],
  ["one more Ctrl-C ends it", (run: Run) => again(run, 3_000)],
])("with a frozen nats-server %s", async (_what, signals) => {
  const run = await start(BY_BOOTSTRAP);
  await run.ready();
  kill(run.pidOf("nats"), "SIGSTOP");
  await signals(run);
  await run.gone();
});

test("a gateway that is killed leaves its nats-server to the next start, which ends it", async () => {
  const folder = await newFolder();
  const killed = await start(BY_BOOTSTRAP, { folder });
  await killed.ready();
  const nats = killed.pidOf("nats");
  kill(killed.pidOf("gateway"), "SIGKILL");
  await expect.poll(() => processesOf(killed.dataDir).map(({ pid }) => pid), GONE).toEqual([nats]);
  const next = await start(BY_BOOTSTRAP, { folder });
  await next.ready();
  expect(next.said).toContain(`took over nats-server`);
  expect(next.pidOf("nats")).toBe(nats);
  ctrlC(next);
  await next.gone();
});

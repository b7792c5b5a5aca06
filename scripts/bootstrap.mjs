// The start of `npm start`, `npm test` and the developers' programs: a fresh clone has nothing installed or built.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const SOURCE_ENDS = [".ts", ".tsx", ".css", ".html", ".json", ".mjs"];
const NOT_SOURCE = new Set(["node_modules", "dist", "build", ".git", ".weir", "docs", "coverage"]);
const SHELLS = new Set(["sh", "dash", "bash", "ash", "busybox", "ksh", "zsh"]);

/** The process that started us. Below npm there may be a shell in between, which outlives npm: then both count. */
function startedBy() {
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event === undefined) return `${parent}`;
  try {
    const [, name, rest = ""] = /\((.*)\)(.*)/s.exec(readFileSync(`/proc/${parent}/stat`, "utf8")) ?? [];
    return SHELLS.has(name) ? `${parent} ${rest.trim().split(" ")[1]}` : `${parent}`;
  } catch {
    // No /proc, or the shell has just ended.
    return `${parent}`;
  }
}

// Before anything else: the starting process may end while we install and build.
const starter = startedBy();

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

function modifiedMs(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function isSource(path) {
  // Presets are read as they are: the build copies them.
  const isPreset = path.endsWith(".yaml") && dirname(path).endsWith("presets");
  return isPreset || SOURCE_ENDS.some((end) => path.endsWith(end));
}

function newestSourceMs(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!NOT_SOURCE.has(entry.name)) newest = Math.max(newest, newestSourceMs(path));
    } else if (isSource(path)) newest = Math.max(newest, modifiedMs(path));
  }
  return newest;
}

if (modifiedMs(join(root, "node_modules", ".package-lock.json")) < modifiedMs(join(root, "package-lock.json"))) {
  process.stdout.write("Installing what Weir needs...\n");
  // Not `npm ci`: it fails with a lock file made where some platform's optional packages were not available.
  run("npm", ["install", "--no-save", "--no-fund", "--no-audit"]);
}
const newestMs = newestSourceMs(root);

/** Builds `dist` (the product) or `build` (the product with benches, test programs and kits) when a source is newer. */
function build(folder, script) {
  const stamp = join(root, folder, ".built");
  if (modifiedMs(stamp) >= newestMs) return;
  process.stdout.write(`Building ${folder}...\n`);
  run("npm", ["run", "--silent", script]);
  writeFileSync(stamp, "");
}

/** Programs for developers; everything else is a command of `weir`. */
const PROGRAMS = {
  test: [join(root, "node_modules", "vitest", "vitest.mjs"), "run"],
  bench: [join(root, "build", "bench", "main.js")],
  "verify-recorded": [join(root, "build", "test", "verify-recorded", "main.js")],
  "test-sim": [join(root, "build", "test", "simulation", "main.js")],
  "test-oracle": [join(root, "build", "test", "oracle", "main.js")],
  "test-crash": [join(root, "build", "test", "crash", "main.js")],
  "test-reload": [join(root, "build", "test", "reload", "main.js")],
  "test-conformance": [join(root, "build", "test", "conformance", "main.js")],
  "test-fuzz": [join(root, "build", "test", "fuzz", "main.js")],
  "test-hostile": [join(root, "build", "test", "hostile", "main.js")],
  "test-broker-kills": [join(root, "build", "test", "broker-kills", "main.js")],
  "test-clients": [join(root, "build", "test", "mqtt-clients", "main.js")],
  "test-mutants": [join(root, "build", "test", "mutants", "main.js")],
  "test-node-versions": [join(root, "test", "node-versions", "run.mjs")],
};
const WITH_SERVERS = new Set([
  "test",
  "bench",
  "verify-recorded",
  "test-crash",
  "test-reload",
  "test-hostile",
  "test-broker-kills",
  "test-clients",
  "test-node-versions",
]);

const [first = "", ...rest] = process.argv.slice(2);
const program = PROGRAMS[first];
build("dist", "build");
if (program) build("build", "build:dev");
if (WITH_SERVERS.has(first)) run(process.execPath, [join(root, "test", "servers", "provide.mjs")]);
const command = program ? [...program, ...rest] : [join(root, "dist", "gateway", "main.js"), ...process.argv.slice(2)];
// Over the channel the gateway learns that we have ended, for any reason.
const stdio = ["inherit", "inherit", "inherit", ...(program ? [] : ["ipc"])];
const child = spawn(process.execPath, command, { stdio });
// A terminal sends its signals to both processes; other senders may reach only this one.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
// npm and its shell do not pass on every signal: when one of them is gone, we stop.
const watch = setInterval(() => {
  if (startedBy() === starter) return;
  clearInterval(watch);
  child.kill("SIGTERM");
}, 500);
watch.unref();
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));

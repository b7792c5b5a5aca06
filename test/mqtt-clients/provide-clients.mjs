// Gets the MQTT client libraries of other languages that the tests drive, once, into the cache outside the tree.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const drivers = join(dirname(fileURLToPath(import.meta.url)), "drivers");
const cache = join(process.env.WEIR_CACHE_DIR ?? join(homedir(), ".cache", "weir"), "mqtt-clients");

/** The names must match those in libraries/libraries.ts: a change of a source makes a new one. */
function pathOf(name, sources) {
  const hash = createHash("sha256");
  for (const source of sources) hash.update(readFileSync(join(drivers, source)));
  return join(cache, `${name}-${hash.digest("hex").slice(0, 12)}`);
}

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "ignore", "inherit"] });
  return error === undefined && status === 0;
}

/** Made under another name first: what was interrupted is not taken for complete. */
function provide(target, what, make, advice) {
  if (existsSync(target)) return;
  process.stdout.write(`${what}\n`);
  mkdirSync(cache, { recursive: true });
  const unfinished = `${target}.${process.pid}`;
  if (make(unfinished)) renameSync(unfinished, target);
  else rmSync(unfinished, { recursive: true, force: true });
  if (existsSync(target)) return;
  process.stdout.write(`${advice}\n`);
  process.exit(1);
}

provide(
  pathOf("python", ["requirements.txt"]),
  "installing paho-mqtt and gmqtt from PyPI into a virtual environment",
  (folder) => {
    const python = join(folder, "bin", "python");
    // `python -m pip`, not `pip`: a script of the environment holds its first name.
    const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    return run("python3", ["-m", "venv", folder]) && run(python, [...install, join(drivers, "requirements.txt")]);
  },
  "The Python MQTT clients are missing: install Python 3.10 or newer with venv and pip, and let pip reach PyPI.",
);
provide(
  pathOf("paho-go", ["go/main.go", "go/go.mod"]),
  "building the Go MQTT client from its Go module",
  (file) => run("go", ["build", "-o", file, "."], join(drivers, "go")),
  "The Go MQTT client is missing: install Go 1.24 or newer, and let it reach its module proxy.",
);

// Provides the servers that the tests run against: missing ones are installed, downloaded or built, each with a line
// that says so. Debian's packages need root; elsewhere the line says what to install.
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import pino from "pino";
import { findNatsServer } from "../../dist/platform/nats-server/find-binary.js";

const cache = join(process.env.WEIR_CACHE_DIR ?? join(homedir(), ".cache", "weir"), "bin");
const INFLUX_VERSION = "2.9.1";

function say(line) {
  process.stdout.write(`${line}\n`);
}

function run(command, args, options = {}) {
  return spawnSync(command, args, { encoding: "utf8", ...options });
}

function onPath(name) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, name)));
}

function installDebian(packages) {
  const root = process.getuid?.() === 0;
  if (!root || !onPath("apt-get")) return false;
  say(`installing ${packages.join(", ")} with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = () => run("apt-get", ["install", "-y", "--no-install-recommends", ...packages], { env }).status === 0;
  if (install()) return true;
  run("apt-get", ["update"], { env });
  return install();
}

function provideProgram(program, packages) {
  if (onPath(program) || (installDebian(packages) && onPath(program))) return;
  say(`${program} is missing: install ${packages.join(" ")} with your system's package manager.`);
  process.exit(1);
}

function downloadInfluxd(target) {
  const arch = process.arch === "arm64" ? "arm64" : "amd64";
  const folder = mkdtempSync(join(tmpdir(), "influxd-"));
  const archive = join(folder, "influxd.tar.gz");
  const url = `https://dl.influxdata.com/influxdb/releases/influxdb2-${INFLUX_VERSION}_${process.platform}_${arch}.tar.gz`;
  say(`downloading influxd ${INFLUX_VERSION}`);
  try {
    if (run("curl", ["-fsSL", "--connect-timeout", "5", "-o", archive, url]).status !== 0) return false;
    if (run("tar", ["-xzf", archive, "-C", folder]).status !== 0) return false;
    const found = run("find", [folder, "-type", "f", "-name", "influxd"]).stdout.trim().split("\n")[0];
    if (!found) return false;
    cpSync(found, target);
    chmodSync(target, 0o755);
    return true;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// From its Go module, without the web page: the API is complete.
function buildInfluxd(target) {
  if (!onPath("go") || !onPath("cargo")) return false;
  if (!onPath("clang") || !onPath("pkg-config")) installDebian(["build-essential", "clang", "pkg-config"]);
  say(`building influxd ${INFLUX_VERSION} from its Go module; this takes some minutes, once`);
  const script = `
    set -e
    module=$(go mod download -json github.com/influxdata/influxdb/v2@v${INFLUX_VERSION} | sed -n 's/.*"Dir": "\\(.*\\)".*/\\1/p')
    work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
    cp -r "$module" "$work/influxdb"; chmod -R u+w "$work/influxdb"; cd "$work/influxdb"; chmod +x scripts/pkg-config.sh
    export CGO_ENABLED=1 PKG_CONFIG=$PWD/scripts/pkg-config.sh
    if command -v rustup >/dev/null; then export RUSTUP_TOOLCHAIN=$(rustup show active-toolchain | cut -d' ' -f1); fi
    go build -tags sqlite_foreign_keys,sqlite_json -ldflags "-s -w -X main.version=v${INFLUX_VERSION}" -o "$1" ./cmd/influxd`;
  const { status, stderr } = run("bash", ["-c", script, "build", target]);
  if (status !== 0) say(stderr.split("\n").slice(-5).join("\n"));
  return status === 0;
}

function provideInfluxd() {
  const target = join(cache, "influxd");
  if (process.env.WEIR_INFLUXD || onPath("influxd") || existsSync(target)) return;
  mkdirSync(cache, { recursive: true });
  if (downloadInfluxd(target) || buildInfluxd(target)) return;
  say("influxd is missing: install InfluxDB 2 and have influxd on PATH, or name it in WEIR_INFLUXD.");
  process.exit(1);
}

await findNatsServer(pino({ level: "info" }));
provideProgram("mosquitto_pub", ["mosquitto-clients"]);
provideProgram("mosquitto", ["mosquitto"]);
provideProgram("chromium", ["chromium"]);
provideProgram("prometheus-alertmanager", ["prometheus-alertmanager"]);
provideInfluxd();
await import("../mqtt-clients/provide-clients.mjs");

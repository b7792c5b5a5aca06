import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, chmod, constants, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { reasonOf } from "../../domain/reason.ts";

/** The server that is fetched or built when none is found. */
export const PINNED_VERSION = "2.15.3";
/** The first line whose batches cost one sync (ADR 17). */
const PINNED_MINOR = 15;
const RELEASES = "https://github.com/nats-io/nats-server/releases/download";
const DEBIAN_BINARY = "/usr/sbin/nats-server";
const CONNECT_TIMEOUT_MS = 5_000;
const DOWNLOAD_TIMEOUT_MS = 120_000;
const BUILD_TIMEOUT_MS = 600_000;
const EXE = process.platform === "win32" ? "nats-server.exe" : "nats-server";
const run = promisify(execFile);

/** A place that may have or provide a server binary. */
export interface BinarySource {
  /** What it does, for the log: `fetch the release archive`. */
  readonly name: string;
  /** Slow sources are announced before they are tried. */
  readonly slow: boolean;
  /** The path of a binary. Throws with the reason when it finds none, or when `signal` ends a slow one. */
  find(signal: AbortSignal): Promise<string>;
  /** Older versions from this source are refused. */
  readonly minorMin: number;
}

/** In the order in which they are tried. A server without synced writes (before 2.10) is the last resort. */
export function defaultSources(): readonly BinarySource[] {
  const directory = cacheDirectory();
  const cached = join(directory, EXE);
  return [
    { name: "look on PATH", slow: false, minorMin: 10, find: findOnPath },
    { name: `look in ${directory}`, slow: false, minorMin: PINNED_MINOR, find: () => existing(cached) },
    {
      name: "fetch the release archive",
      slow: true,
      minorMin: 10,
      find: (signal) => downloadRelease(RELEASES, directory, signal),
    },
    {
      name: "build it with Go, which takes minutes",
      slow: true,
      minorMin: 10,
      find: (signal) => build(directory, cached, signal),
    },
    // An earlier Weir fetched it. It works, without batches.
    { name: `take the older one in ${directory}`, slow: false, minorMin: 10, find: () => existing(cached) },
    {
      name: "take an older one",
      slow: false,
      minorMin: 9,
      find: () => findOnPath().catch(() => existing(DEBIAN_BINARY)),
    },
    { name: "install Debian's package", slow: true, minorMin: 9, find: installPackage },
  ];
}

function cacheDirectory(): string {
  const { WEIR_CACHE_DIR, XDG_CACHE_HOME } = process.env;
  return join(WEIR_CACHE_DIR || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "weir"), "bin");
}

async function existing(path: string): Promise<string> {
  try {
    await access(path, constants.X_OK);
  } catch {
    throw new Error(`there is no ${path}`);
  }
  return path;
}

async function findOnPath(): Promise<string> {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(directory, EXE);
    const found = directory === "" ? undefined : await existing(path).catch(() => undefined);
    if (found !== undefined) return found;
  }
  throw new Error(`there is no ${EXE} on PATH`);
}

/** Fetches the pinned release for this machine, checks it against the published checksums, and unpacks its binary. */
export async function downloadRelease(releases: string, directory: string, signal?: AbortSignal): Promise<string> {
  const target = join(directory, EXE);
  const archive = archiveName(PINNED_VERSION, process.platform, process.arch);
  const base = `${releases}/v${PINNED_VERSION}`;
  const sums = new TextDecoder().decode(await fetchBytes(`${base}/SHA256SUMS`, signal));
  const bytes = await fetchBytes(`${base}/${archive}`, signal);
  checkSum(archive, bytes, sums);
  await mkdir(directory, { recursive: true });
  const temporary = await mkdtemp(join(directory, "unpack-"));
  try {
    const file = join(temporary, archive);
    await writeFile(file, bytes);
    await run("tar", ["-xf", file, "-C", temporary, "--strip-components=1"]);
    await chmod(join(temporary, EXE), 0o755);
    // A rename within one directory: another gateway never sees an incomplete binary.
    await rename(join(temporary, EXE), target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return target;
}

export function archiveName(version: string, platform: string, arch: string): string {
  const os = platform === "win32" ? "windows" : platform;
  const cpu = new Map([
    ["x64", "amd64"],
    ["ia32", "386"],
    ["arm", "arm7"],
  ]).get(arch);
  return `nats-server-v${version}-${os}-${cpu ?? arch}.${os === "windows" ? "zip" : "tar.gz"}`;
}

/** Throws unless `sums` (lines of `<sha256>  <file>`) has the hash of these bytes for this file. */
export function checkSum(file: string, bytes: Uint8Array, sums: string): void {
  const line = sums.split("\n").find((each) => each.trim().endsWith(file));
  const expected = line?.trim().split(/\s+/)[0]?.toLowerCase();
  const actual = createHash("sha256").update(bytes).digest("hex");
  if (expected === undefined) throw new Error(`no checksum is published for ${file}`);
  if (expected !== actual) throw new Error(`${file} has checksum ${actual}, published is ${expected}`);
}

async function fetchBytes(url: string, signal?: AbortSignal): Promise<Uint8Array> {
  const abort = new AbortController();
  const giveUp = () => abort.abort();
  signal?.addEventListener("abort", giveUp);
  let timer = setTimeout(() => abort.abort(), CONNECT_TIMEOUT_MS);
  try {
    const response = await fetch(url, { signal: abort.signal });
    clearTimeout(timer);
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    timer = setTimeout(() => abort.abort(), DOWNLOAD_TIMEOUT_MS);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    const reason = abort.signal.aborted ? "no answer in time" : reasonOf(error);
    throw new Error(`${url} could not be fetched: ${reason}`, { cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}

async function build(directory: string, target: string, signal: AbortSignal): Promise<string> {
  await mkdir(directory, { recursive: true });
  const temporary = await mkdtemp(join(directory, "build-"));
  try {
    const env = { ...process.env, GOBIN: temporary, CGO_ENABLED: "0" };
    const module = `github.com/nats-io/nats-server/v2@v${PINNED_VERSION}`;
    await run("go", ["install", module], { env, timeout: BUILD_TIMEOUT_MS, signal }).catch((error: unknown) => {
      throw new Error(`go install ${module} failed: ${lastLine(error)}`, { cause: error });
    });
    await rename(join(temporary, EXE), target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return target;
}

/** Only where it surprises no user at a keyboard: as root in a container or a pipeline. */
async function installPackage(signal: AbortSignal): Promise<string> {
  if (process.getuid?.() !== 0) throw new Error("packages are installed by root only");
  if (process.stdin.isTTY)
    throw new Error("packages are not installed behind a user's back: apt-get install nats-server");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // Never interrupted: the package manager would then need a repair.
  const install = () =>
    run("apt-get", ["install", "-y", "--no-install-recommends", "nats-server"], {
      env,
      timeout: BUILD_TIMEOUT_MS,
    });
  try {
    await install().catch(async () => {
      await run("apt-get", ["update"], { env, timeout: BUILD_TIMEOUT_MS });
      signal.throwIfAborted();
      await install();
    });
  } catch (error) {
    throw new Error(`apt-get install nats-server failed: ${lastLine(error)}`, { cause: error });
  }
  return await existing(DEBIAN_BINARY);
}

function lastLine(error: unknown): string {
  const output = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  return output.split("\n").at(-1) || reasonOf(error);
}

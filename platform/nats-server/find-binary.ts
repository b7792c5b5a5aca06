import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Logger } from "pino";
import { reasonOf } from "../../domain/reason.ts";
import { UserError } from "../../domain/user-error.ts";
import { type BinarySource, defaultSources, PINNED_VERSION } from "./binary-sources.ts";

const VERSION_TIMEOUT_MS = 10_000;
const NEVER = new AbortController().signal;

export interface FoundBinary {
  readonly path: string;
  readonly version: string;
}

/** No source provided a server. Retrying helps only after one of them is fixed. */
export class NatsServerMissingError extends UserError {
  override readonly name = "NatsServerMissingError";
}

/** Tries the sources in order, and logs each step and why the one before failed. `signal` ends that early. */
export async function findNatsServer(
  logger: Logger,
  sources: readonly BinarySource[] = defaultSources(),
  signal: AbortSignal = NEVER,
): Promise<FoundBinary> {
  const reasons: string[] = [];
  for (const source of sources) {
    signal.throwIfAborted();
    if (source.slow) logger.info(`no nats-server yet (${reasons.at(-1) ?? "first try"}); now: ${source.name}`);
    try {
      const path = await source.find(signal);
      const version = await versionOf(path);
      if (!isWanted(version, source.minorMin))
        throw new Error(`${path} is ${version}, older than 2.${source.minorMin}`);
      logger.info(`using nats-server ${version} at ${path}`);
      return { path, version };
    } catch (error) {
      reasons.push(reasonOf(error));
    }
  }
  const tried = sources.map((source, i) => `  - ${source.name}: ${reasons[i]}`).join("\n");
  throw new NatsServerMissingError(
    `Weir needs a NATS server and found none. Tried to\n${tried}\nTo fix it, do one of these and start again:\n` +
      `  - put nats-server ${PINNED_VERSION} on PATH (https://github.com/nats-io/nats-server/releases),\n` +
      "  - install Go, so that it can be built,\n" +
      "  - on Debian or Ubuntu: apt-get install nats-server,\n" +
      "  - run NATS with JetStream elsewhere and set WEIR_NATS_URL.",
  );
}

/** What a start would do to get a server, as far as this machine shows without a download, a build or an install. */
export interface Outlook {
  /** The first one on this machine; undefined when none is. */
  readonly found: FoundBinary | undefined;
  /** The slow sources that a start would try before it uses that one, in order. */
  readonly before: readonly string[];
}

/** Tries only the quick sources. */
export async function findNatsServerHere(sources: readonly BinarySource[] = defaultSources()): Promise<Outlook> {
  const before: string[] = [];
  for (const { name, slow, minorMin, find } of sources) {
    if (slow) {
      before.push(name);
      continue;
    }
    try {
      const path = await find(NEVER);
      const version = await versionOf(path);
      if (isWanted(version, minorMin)) return { found: { path, version }, before };
    } catch {
      // The next source may have it.
    }
  }
  return { found: undefined, before };
}

async function versionOf(path: string): Promise<string> {
  const { stdout } = await promisify(execFile)(path, ["--version"], { timeout: VERSION_TIMEOUT_MS });
  const version = /v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`${path} does not say its version: ${stdout.trim()}`);
  return version;
}

function isWanted(version: string, minorMin: number): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 2 || (major === 2 && minor >= minorMin);
}

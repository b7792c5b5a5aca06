import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  archiveName,
  type BinarySource,
  checkSum,
  defaultSources,
  downloadRelease,
  PINNED_VERSION,
} from "./binary-sources.ts";
import { findNatsServer, NatsServerMissingError } from "./find-binary.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-find-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function fakeServer(says: string): Promise<string> {
  const path = join(directory, `server-${Math.random()}`);
  await writeFile(path, `#!/bin/sh\necho "${says}"\n`);
  await chmod(path, 0o755);
  return path;
}

function source(name: string, find: () => Promise<string>, minorMin = 10): BinarySource {
  return { name, slow: true, minorMin, find };
}

function missing(reason: string): () => Promise<string> {
  return () => Promise.reject(new Error(reason));
}

function listeningLogger() {
  const lines: string[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => lines.push(JSON.parse(line).msg) });
  return { lines, logger };
}

describe("finding a NATS server", () => {
  test("takes the first that exists and is new enough, and says why it refused the others", async () => {
    const { lines, logger } = listeningLogger();
    const old = await fakeServer("nats-server: v2.9.10");
    const good = await fakeServer("nats-server: v2.12.1");
    const found = await findNatsServer(logger, [
      source("look on PATH", async () => old),
      source("fetch it", missing("no answer from example.org")),
      source("build it", async () => good),
      source("never asked", missing("asked anyway")),
    ]);
    expect(found).toEqual({ path: good, version: "2.12.1" });
    expect(lines).toEqual([
      "no nats-server yet (first try); now: look on PATH",
      `no nats-server yet (${old} is 2.9.10, older than 2.10); now: fetch it`,
      "no nats-server yet (no answer from example.org); now: build it",
      `using nats-server 2.12.1 at ${good}`,
    ]);
  });

  test("takes an old one as the last resort", async () => {
    const old = await fakeServer("nats-server: v2.9.10");
    const sources = [source("look on PATH", async () => old), source("take an older one", async () => old, 9)];
    expect((await findNatsServer(listeningLogger().logger, sources)).version).toBe("2.9.10");
  });

  test("one error says what was tried and how to fix it", async () => {
    const garbage = await fakeServer("hello");
    const finding = findNatsServer(listeningLogger().logger, [
      source("look on PATH", missing("there is no nats-server on PATH")),
      source("look in the cache", async () => garbage),
      source("look elsewhere", async () => join(directory, "absent")),
    ]);
    const error = await finding.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(NatsServerMissingError);
    const { message } = error as NatsServerMissingError;
    expect(message).toContain("- look on PATH: there is no nats-server on PATH");
    expect(message).toContain(`- look in the cache: ${garbage} does not say its version: hello`);
    expect(message).toMatch(/- look elsewhere: .*ENOENT/);
    expect(message).toContain("set WEIR_NATS_URL");
  });
});

describe("the release archive", () => {
  test.each([
    ["linux", "x64", "nats-server-v2.15.3-linux-amd64.tar.gz"],
    ["linux", "arm64", "nats-server-v2.15.3-linux-arm64.tar.gz"],
    ["linux", "arm", "nats-server-v2.15.3-linux-arm7.tar.gz"],
    ["darwin", "arm64", "nats-server-v2.15.3-darwin-arm64.tar.gz"],
    ["win32", "x64", "nats-server-v2.15.3-windows-amd64.zip"],
  ])("for %s on %s is %s", (platform, arch, name) => {
    expect(archiveName("2.15.3", platform, arch)).toBe(name);
  });

  test("is taken only with the published checksum", () => {
    const bytes = new TextEncoder().encode("archive");
    const good = createHash("sha256").update("archive").digest("hex");
    const other = createHash("sha256").update("tampered").digest("hex");
    expect(() => checkSum("a.tar.gz", bytes, `${other}  b.tar.gz\n${good}  a.tar.gz\n`)).not.toThrow();
    expect(() => checkSum("a.tar.gz", bytes, `${other}  a.tar.gz\n`)).toThrow(/published is/);
    expect(() => checkSum("a.tar.gz", bytes, `${good}  b.tar.gz\n`)).toThrow(/no checksum/);
    expect(() => checkSum("a.tar.gz", bytes, "")).toThrow(/no checksum/);
  });

  test("is fetched, checked and unpacked into the cache, or leaves nothing there", async () => {
    const archive = archiveName(PINNED_VERSION, process.platform, process.arch);
    const folder = archive.replace(/\.tar\.gz$|\.zip$/, "");
    await mkdir(join(directory, folder));
    await writeFile(join(directory, folder, "nats-server"), "the binary");
    await writeFile(join(directory, folder, "README.md"), "read me");
    execFileSync("tar", ["-czf", join(directory, archive), "-C", directory, folder]);
    const bytes = await readFile(join(directory, archive));
    let sum = createHash("sha256").update(bytes).digest("hex");
    const server = createServer((request, response) => {
      if (request.url === `/v${PINNED_VERSION}/SHA256SUMS`) response.end(`${sum}  ${archive}\n`);
      else if (request.url === `/v${PINNED_VERSION}/${archive}`) response.end(bytes);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const releases = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    try {
      const cache = join(directory, "cache");
      const path = await downloadRelease(releases, cache);
      expect(await readFile(path, "utf8")).toBe("the binary");
      expect(await readdir(cache)).toEqual(["nats-server"]);
      sum = "0".repeat(64);
      const other = join(directory, "other");
      await expect(downloadRelease(releases, other)).rejects.toThrow(/published is 0000/);
      await expect(readdir(other)).rejects.toThrow("ENOENT");
      await expect(downloadRelease(`${releases}/absent`, other)).rejects.toThrow(
        /could not be fetched: HTTP status 404/,
      );
    } finally {
      server.close();
    }
  });
});

test("a cancelled build ends, and leaves nothing in the cache", async () => {
  const bin = await mkdtemp(join(directory, "bin-"));
  const cache = await mkdtemp(join(directory, "given-up-"));
  const pidFile = join(bin, "pid");
  await writeFile(join(bin, "go"), `#!/bin/sh\necho $$ > ${pidFile}\nexec sleep 60\n`);
  await chmod(join(bin, "go"), 0o755);
  vi.stubEnv("PATH", `${bin}:${process.env.PATH}`);
  vi.stubEnv("WEIR_CACHE_DIR", cache);
  try {
    const build = defaultSources().find(({ name }) => name.startsWith("build"));
    const abort = new AbortController();
    const found = build?.find(abort.signal);
    await expect.poll(() => readFile(pidFile, "utf8").catch(() => ""), { timeout: 10_000 }).not.toBe("");
    const pid = Number(await readFile(pidFile, "utf8"));
    abort.abort();
    await expect(found).rejects.toThrow(/abort/);
    await expect
      .poll(() => {
        try {
          return process.kill(pid, 0);
        } catch {
          return false;
        }
      })
      .toBe(false);
    expect(await readdir(join(cache, "bin"))).toEqual([]);
  } finally {
    vi.unstubAllEnvs();
  }
});

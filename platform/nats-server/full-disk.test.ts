import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FullDiskWatch } from "./full-disk.ts";

const MIB = 1_048_576;
let folder: string;
let logPath: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-full-"));
  logPath = join(folder, "nats.log");
  await writeFile(logPath, "[ERR] an earlier run: no space left on device\n");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function watch() {
  const lines: string[] = [];
  const disk = { freeMib: 1_000 };
  let restarts = 0;
  const watched = new FullDiskWatch({
    freeBytes: async () => disk.freeMib * MIB,
    logPath,
    async restart() {
      restarts++;
      await appendFile(logPath, "[ERR] at its end: no space left on device\n");
    },
    logger: pino({ level: "debug" }, { write: (line: string) => lines.push(JSON.parse(line).msg) }),
  });
  await watched.skipLog();
  return { watched, lines, disk, restarts: () => restarts };
}

test("once a full disk has room again, the server restarts, once", async () => {
  const { watched, lines, disk, restarts } = await watch();
  const seen: number[] = [];
  for (const freeMib of [1_000, 0, 0, 10, 15, 500, 500]) {
    disk.freeMib = freeMib;
    await watched.look();
    seen.push(restarts());
  }
  expect(seen).toEqual([0, 0, 0, 0, 0, 1, 1]);
  expect(lines).toEqual([
    expect.stringContaining("the disk of the data folder is full"),
    expect.stringContaining("restarting nats-server"),
  ]);
});

test("a server that says that a write failed restarts, even if nobody saw the disk full", async () => {
  const { watched, restarts } = await watch();
  await watched.look();
  expect(restarts()).toBe(0);
  await appendFile(logPath, "[ERR] JetStream failed to store a msg: write 1.blk: no space left on device\n");
  await watched.look();
  await watched.look();
  expect(restarts()).toBe(1);
});

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { makePrivate } from "./private-files.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder as an earlier version left it, readable by everybody. */
function oldFolder(extra: readonly string[] = []): string {
  const folder = mkdtempSync(join(tmpdir(), "weir-private-"));
  folders.push(folder);
  mkdirSync(join(folder, "nats", "jetstream", "streams"), { recursive: true });
  const files = [
    "history.duckdb",
    "history.duckdb.wal",
    "nats.log",
    "nats.json",
    "nats.conf",
    "run.json",
    "users.yaml",
  ];
  for (const name of [...files, "nats/jetstream/streams/1.blk", ...extra]) {
    writeFileSync(join(folder, name), "");
    chmodSync(join(folder, name), 0o644);
  }
  for (const name of [".", "nats", "nats/jetstream", "nats/jetstream/streams"]) chmodSync(join(folder, name), 0o755);
  return folder;
}

function modesOf(folder: string): Record<string, string> {
  const names = [".", ...readdirSync(folder, { recursive: true, encoding: "utf8" })];
  return Object.fromEntries(names.map((name) => [name, (statSync(join(folder, name)).mode & 0o777).toString(8)]));
}

test.skipIf(process.platform === "win32")("files of an earlier version become private to their owner", () => {
  const folder = oldFolder();
  makePrivate(folder);
  const modes = modesOf(folder);
  expect(Object.entries(modes).filter(([, mode]) => mode !== "600" && mode !== "700")).toEqual([]);
  expect(modes["."]).toBe("700");
  expect(modes["nats/jetstream/streams/1.blk"]).toBe("600");
});

test.skipIf(process.platform === "win32")(
  "a folder that holds anything else keeps its rights, and so do the other files and links",
  () => {
    const folder = oldFolder(["notes.txt"]);
    const target = oldFolder();
    symlinkSync(join(target, "nats.log"), join(folder, "nats.log.1"));
    makePrivate(folder);
    const modes = modesOf(folder);
    expect([modes["."], modes["notes.txt"], modes["nats.log.1"]]).toEqual(["755", "644", "644"]);
    expect([modes.nats, modes["history.duckdb"]]).toEqual(["700", "600"]);
  },
);

import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { tempFolder, weir } from "./kit.ts";

vi.setConfig({ testTimeout: 120_000 });

const PORTS = ["--mqtt-port", "0", "--http-port", "0"];
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function emptyFolder(): Promise<string> {
  const { path, remove } = await tempFolder();
  undo.push(remove);
  return path;
}

test("weir up in an empty folder works; one line says where rules go", async () => {
  const cwd = await emptyFolder();
  const { code, output } = await weir(["up", ...PORTS], { cwd, untilOutput: "Weir is up" });
  expect(code).toBe(0);
  expect(output.match(/no rules yet: rule files go to \S*rules/g)).toHaveLength(1);
  expect(output).not.toMatch(/error|problem/i);
  expect((await readdir(cwd)).sort()).toEqual([".weir", "rules"]);
});

test("weir doctor in an empty folder finds nothing wrong with the rules", async () => {
  const cwd = await emptyFolder();
  const { output } = await weir(["doctor", ...PORTS], { cwd });
  expect(output).toMatch(/ok\s+rules\s+no rules yet; a start creates it/);
  expect(await readdir(cwd)).toEqual([]);
});

test("weir init writes settings, a rule and its test, which pass; with them, weir up works", async () => {
  const cwd = await emptyFolder();
  expect((await weir(["init"], { cwd })).code).toBe(0);
  expect((await readdir(cwd, { recursive: true })).sort()).toEqual([
    "rules",
    "rules/cold-room.test.yaml",
    "rules/cold-room.yaml",
    "weir.yaml",
  ]);
  expect(await weir(["rules", "check"], { cwd })).toMatchObject({ code: 0 });
  expect(await weir(["rules", "test"], { cwd })).toMatchObject({ code: 0 });
  const { code, output } = await weir(["up", ...PORTS], { cwd, untilOutput: "Weir is up" });
  expect(code, output).toBe(0);
  expect(output).not.toContain("no rules yet");
});

test("what the comments of the written weir.yaml suggest is valid, too", async () => {
  const cwd = await emptyFolder();
  await weir(["init"], { cwd });
  const file = join(cwd, "weir.yaml");
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replaceAll(/^# (broker:|notifier:|storage:|log:| )/gm, "$1"));
  await writeFile(join(cwd, "users.yaml"), "users: []\n");
  const { output } = await weir(["doctor", ...PORTS], { cwd });
  expect(output).toMatch(/ok\s+configuration\s+weir.yaml/);
});

test("weir init overwrites nothing, and says what exists", async () => {
  const cwd = await emptyFolder();
  await writeFile(join(cwd, "weir.yaml"), "partitions: 2\n");
  const { code, output } = await weir(["init"], { cwd });
  expect(code).toBe(1);
  expect(output).toContain("nothing was written: weir.yaml already exists");
  expect(await readFile(join(cwd, "weir.yaml"), "utf8")).toBe("partitions: 2\n");
  expect(existsSync(join(cwd, "rules"))).toBe(false);
});

import { mkdir, mkdtemp, readdir, rename, rm, symlink, unlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readSources } from "./load-rules.ts";
import { REMOVAL_SETTLE_MS, SETTLE_MS, SettledRules } from "./settled-rules.ts";

let folder = "";
let nowMs = 0;

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "weir-settled-")), "rules");
  await mkdir(folder);
  nowMs = 0;
});

afterEach(async () => {
  await rm(join(folder, ".."), { recursive: true, force: true });
});

function rule(id: string, when = "> 1"): string {
  return `  - id: ${id}\n    where: { metric: m }\n    window: { tumbling: 1s }\n    aggregate: avg\n    when: "${when}"\n`;
}

function put(name: string, ...rules: readonly string[]): Promise<void> {
  return writeFile(join(folder, name), `rules:\n${rules.join("")}`);
}

async function settled(): Promise<SettledRules> {
  return new SettledRules(folder, await readSources(folder));
}

/** Inspects the folder `afterMs` after the last time. Returns a state, the ids in force, or the problems. */
async function look(rules: SettledRules, afterMs: number): Promise<string> {
  nowMs += afterMs;
  const state = rules.inspect(await readSources(folder), nowMs);
  if (state.kind !== "changed") return state.kind;
  const { problems, specs } = state.rules;
  if (problems.length > 0) return problems.map(({ message }) => message).join("; ");
  return specs.map(({ id, when }) => `${id} ${when}`).join(", ");
}

test("an edit takes effect once the files have stopped changing", async () => {
  await put("a.yaml", rule("a"));
  const rules = await settled();
  expect(await look(rules, 500)).toBe("same");
  await put("a.yaml", rule("a", "> 2"));
  expect(await look(rules, 500)).toBe("settling");
  expect(await look(rules, SETTLE_MS - 1)).toBe("settling");
  await put("a.yaml", rule("a", "> 3"));
  expect(await look(rules, SETTLE_MS)).toBe("settling");
  expect(await look(rules, SETTLE_MS)).toBe("a > 3");
  expect(await look(rules, 500)).toBe("same");
});

test("a half-written file that looks complete has no effect", async () => {
  await put("a.yaml", rule("a"), rule("b"));
  const rules = await settled();
  await put("a.yaml", rule("a", "> 2"));
  expect(await look(rules, 500)).toBe("settling");
  expect(await look(rules, REMOVAL_SETTLE_MS - 1)).toBe("settling");
  await put("a.yaml", rule("a", "> 2"), rule("b"));
  expect(await look(rules, 1)).toBe("settling");
  expect(await look(rules, SETTLE_MS)).toBe("a > 2, b > 1");
});

test("a file that is moved away and back keeps its rules; one that stays away loses them", async () => {
  await put("a.yaml", rule("a"));
  await put("b.yaml", rule("b"));
  const rules = await settled();
  await rename(join(folder, "b.yaml"), join(folder, "b.yaml~"));
  expect(await look(rules, 500)).toBe("settling");
  expect(await look(rules, SETTLE_MS)).toBe("settling");
  await put("b.yaml", rule("b"));
  expect(await look(rules, SETTLE_MS)).toBe("same");
  await unlink(join(folder, "b.yaml"));
  expect(await look(rules, 500)).toBe("settling");
  expect(await look(rules, REMOVAL_SETTLE_MS)).toBe("a > 1");
});

test("a touched file is unchanged; new contents with the same size and time are a change", async () => {
  await put("a.yaml", rule("a", "> 1"));
  const then = new Date(1_700_000_000_000);
  await utimes(join(folder, "a.yaml"), then, then);
  const rules = await settled();
  await utimes(join(folder, "a.yaml"), new Date(), new Date());
  expect(await look(rules, 500)).toBe("same");
  await put("a.yaml", rule("a", "> 2"));
  await utimes(join(folder, "a.yaml"), then, then);
  expect(await look(rules, 500)).toBe("settling");
  expect(await look(rules, SETTLE_MS)).toBe("a > 2");
});

test("a mounted configuration map is swapped as a whole", async () => {
  for (const [version, when] of [
    ["..1", "> 1"],
    ["..2", "> 2"],
  ] as const) {
    await mkdir(join(folder, version));
    await put(`${version}/a.yaml`, rule("a", when));
    await put(`${version}/b.yaml`, rule("b", when));
  }
  await symlink("..1", join(folder, "..data"));
  for (const name of ["a.yaml", "b.yaml"]) await symlink(`..data/${name}`, join(folder, name));
  const rules = await settled();
  expect(rules.rules.specs.map(({ id, when }) => `${id} ${when}`)).toEqual(["a > 1", "b > 1"]);
  await symlink("..2", join(folder, "..data_tmp"));
  await rename(join(folder, "..data_tmp"), join(folder, "..data"));
  await rm(join(folder, "..1"), { recursive: true });
  expect(await look(rules, 500)).toBe("settling");
  expect(await look(rules, SETTLE_MS)).toBe("a > 2, b > 2");
});

test("the rules folder can itself be a link that is swapped", async () => {
  const real = folder;
  await put("a.yaml", rule("a"));
  folder = join(real, "..", "link");
  await symlink(real, folder);
  const rules = await settled();
  const other = join(real, "..", "other");
  await mkdir(other);
  await writeFile(join(other, "a.yaml"), `rules:\n${rule("a", "> 9")}`);
  await symlink(other, `${folder}-next`);
  await rename(`${folder}-next`, folder);
  expect(await look(rules, 500)).toBe("settling");
  expect(await look(rules, SETTLE_MS)).toBe("a > 9");
});

test("files that editors and file systems leave next to the rules are not rule files", async () => {
  await put("a.yaml", rule("a"));
  const rules = await settled();
  const before = (await readdir(folder)).length;
  for (const name of [
    "a.yaml~",
    "#a.yaml#",
    ".a.yaml.swp",
    "4913",
    "a.yaml.bak",
    "a.yaml___jb_tmp___",
    ".a.yaml",
    "sedX1",
  ])
    await writeFile(join(folder, name), "\0 no rules: at all [");
  await writeFile(join(folder, "._a.yaml"), new Uint8Array([0, 5, 22, 7, 0xff]));
  await symlink("someone@host.1234:1700000000", join(folder, ".#a.yaml"));
  expect((await readdir(folder)).length).toBe(before + 10);
  expect(await look(rules, 500)).toBe("same");
});

test("with a missing or empty folder, the previous rules stay and a problem is reported", async () => {
  await put("a.yaml", rule("a"));
  const rules = await settled();
  await rm(folder, { recursive: true });
  expect(await look(rules, 500)).toBe("settling");
  expect(await look(rules, SETTLE_MS)).toMatch(/^the rules folder cannot be read: ENOENT/);
  await mkdir(folder);
  expect(await look(rules, 500)).toBe("settling");
  expect(await look(rules, REMOVAL_SETTLE_MS - 1)).toBe("settling");
  expect(await look(rules, 1)).toMatch(/^no rule file is left in the folder/);
  await put("a.yaml", rule("a", "> 2"));
  expect(await look(rules, 500)).toBe("settling");
  expect(await look(rules, SETTLE_MS)).toBe("a > 2");
  await writeFile(join(folder, "a.yaml"), "rules: []\n");
  await look(rules, 500);
  expect(await look(rules, REMOVAL_SETTLE_MS)).toBe("");
});

test("a byte order mark and other line ends do not change the rules", async () => {
  await put("a.yaml", rule("a"));
  const rules = await settled();
  const { version } = rules.rules;
  await writeFile(join(folder, "a.yaml"), `\ufeffrules:\n${rule("a")}`.replaceAll("\n", "\r\n"));
  expect(await look(rules, 500)).toBe("settling");
  expect(await look(rules, SETTLE_MS)).toBe("a > 1");
  expect(rules.rules.version).toBe(version);
});

test("another encoding is rejected, with its place", async () => {
  await put("a.yaml", rule("a"));
  const rules = await settled();
  const text = `rules:\r\n${rule("a")}    annotations: { summary: "21 °C" }\r\n`;
  const latin = Buffer.from(text, "latin1");
  await writeFile(join(folder, "a.yaml"), latin);
  await look(rules, 500);
  expect(await look(rules, SETTLE_MS)).toBe("this is not UTF-8; save the file as UTF-8");
  const { problems } = await readSources(folder);
  expect(problems[0]?.place).toEqual({
    line: 7,
    column: 33,
    length: 1,
    text: '    annotations: { summary: "21 \ufffdC" }',
  });
  await writeFile(join(folder, "a.yaml"), Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]));
  await look(rules, 500);
  expect(await look(rules, SETTLE_MS)).toBe("the file is in UTF-16; save the file as UTF-8");
});

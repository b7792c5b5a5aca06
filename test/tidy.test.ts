import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "");
const code = files.filter((file) => /\.(ts|tsx)$/.test(file));
const texts = files.filter(
  (file) => /\.(ts|tsx|mjs|js|md|yaml|yml|json|sh|proto|css|html)$/.test(file) && file !== "package-lock.json",
);

function read(file: string): string {
  return readFileSync(`${root}/${file}`, "utf8");
}

test("files are small enough to read at a sitting", () => {
  const long = code.filter((file) => read(file).split("\n").length > 401);
  expect(long).toEqual([]);
});

test("file names are in kebab case", () => {
  const odd = code.filter((file) => !/^[a-z0-9./-]+$/.test(file));
  expect(odd).toEqual([]);
});

test("nothing is left to do by the tree's own words, and no test is skipped or focused", () => {
  const words = new RegExp(["TO", "DO|FIX", "ME|XX", "X"].join(""));
  const marks = /\b(?:it|test|describe)\.(?:skip|only|todo)\(/;
  const found = code.filter((file) => words.test(read(file)) || marks.test(read(file)));
  expect(found).toEqual([]);
});

test("no path of the machine it was written on", () => {
  const paths = new RegExp(["/wo", "rk/|/ro", "ot/|/ho", "me/[a-z]+/"].join(""));
  expect(texts.filter((file) => paths.test(read(file)))).toEqual([]);
});

test("every folder that ARCHITECTURE.md names is there, and every one that is there is named", () => {
  const named = [...read("ARCHITECTURE.md").matchAll(/^\| `([a-z-]+)\/`/gm)].map(([, folder]) => folder);
  const present = new Set(
    code.map((file) => file.split("/")[0]).filter((folder) => !["test", "bench", "scripts"].includes(folder ?? "")),
  );
  expect([...present].filter((folder) => folder && !folder.endsWith(".ts")).sort()).toEqual(named.sort());
});

test("every decision is numbered and titled", () => {
  const decisions = files.filter((file) => file.startsWith("docs/adr/"));
  expect(decisions.length).toBeGreaterThan(3);
  for (const [i, file] of decisions.sort().entries()) {
    expect(file).toMatch(new RegExp(`/${String(i + 1).padStart(4, "0")}-[a-z0-9-]+\\.md$`));
    expect(read(file)).toMatch(new RegExp(`^# ${i + 1}\\. `));
  }
});

test("links of the documentation lead to files", () => {
  const broken = files
    .filter((file) => file.endsWith(".md"))
    .flatMap((file) =>
      [...read(file).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
        .map(([, target = ""]) => posix.join(posix.dirname(file), target))
        .filter((target) => !existsSync(`${root}/${target}`))
        .map((target) => `${file}: ${target}`),
    );
  expect(broken).toEqual([]);
});

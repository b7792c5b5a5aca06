import { describe, expect, test } from "vitest";
import { fileCircles, folderCircles } from "./circles.ts";
import { AROUND, DIRECTIONS } from "./directions.ts";
import { longFunctions } from "./functions.ts";
import { forbiddenImports, roomOf } from "./imports.ts";
import { bannedInText, bannedPhrases } from "./phrases.ts";
import { readRepositoryFile, repositoryFiles, repositorySources } from "./repository.ts";
import { formatFaults, importsOf, sourceFile } from "./source-file.ts";

const DOC_LINE_MAX = 120;
const BIGGEST_SHARE = 0.2;

const sources = repositorySources();
const imports = sources.flatMap(importsOf);
const docs = repositoryFiles().filter((path) => path.endsWith(".md"));
/** Sample rules are read like documentation. */
const samples = repositoryFiles().filter((path) => /^rules\/.*\.yaml$/.test(path));
/** These files name the phrases on purpose. */
const QUOTES = new Set(["test/house/phrases.ts"]);

describe("the house", () => {
  test("imports go one way", () => {
    expect(formatFaults(forbiddenImports(imports))).toEqual([]);
  });

  test("every folder with code has its directions", () => {
    const rooms = new Set(sources.map(({ path }) => roomOf(path)).filter((room) => !/\.tsx?$/.test(room)));
    const known = new Set([...Object.keys(DIRECTIONS), ...AROUND]);
    expect([...rooms].filter((room) => !known.has(room))).toEqual([]);
  });

  test("no files import each other in a circle", () => {
    expect(fileCircles(imports)).toEqual([]);
  });

  test("no folders import each other in a circle, at any level", () => {
    expect(folderCircles(imports)).toEqual([]);
  });

  test("no folder at the top has a fifth of the code", () => {
    const lines = new Map<string, number>();
    let all = 0;
    for (const { path, text } of sources) {
      const count = text.split("\n").length;
      lines.set(roomOf(path), (lines.get(roomOf(path)) ?? 0) + count);
      all += count;
    }
    expect([...lines].filter(([, count]) => count / all >= BIGGEST_SHARE)).toEqual([]);
  });

  test("a function fits a screen, or says why not", () => {
    expect(formatFaults(sources.flatMap(longFunctions))).toEqual([]);
  });

  test("comments, messages and docs are plain English", () => {
    const inCode = sources.filter(({ path }) => !QUOTES.has(path)).flatMap((file) => bannedPhrases(file));
    const inDocs = [...docs, ...samples].flatMap((path) => bannedInText(path, readRepositoryFile(path)));
    expect(formatFaults([...inCode, ...inDocs])).toEqual([]);
  });

  test("lines of documentation fit a window", () => {
    const long = docs.flatMap((path) =>
      readRepositoryFile(path)
        .split("\n")
        .flatMap((line, i) => (line.length > DOC_LINE_MAX && !isTableOrLink(line) ? [`${path}:${i + 1}`] : [])),
    );
    expect(long).toEqual([]);
  });
});

/** A table's row cannot be broken, nor can an address. */
function isTableOrLink(line: string): boolean {
  return line.startsWith("|") || /^\S*\s*\S*https?:\S+$/.test(line);
}

describe("what goes against the house is found", () => {
  const planted: readonly (readonly [kind: string, path: string, code: string])[] = [
    ["domain imports a layer above", "domain/x.ts", 'import { a } from "../platform/clock.ts";'],
    ["domain imports Node", "domain/x.ts", 'import { readFileSync } from "node:fs";'],
    ["contracts import the platform", "contracts/x.ts", 'import type { Log } from "../platform/log/port.ts";'],
    ["the platform imports a service", "platform/x.ts", 'import { startIngest } from "../ingest/ingest.ts";'],
    ["the rule language imports the engine", "rule-language/x.ts", 'import { a } from "../engine/step.ts";'],
    ["the engine imports the platform", "engine/x.ts", 'import type { Log } from "../platform/log/port.ts";'],
    ["the engine imports a package", "engine/x.ts", 'import { z } from "zod";'],
    ["the engine imports its tools", "engine/x.ts", 'import { a } from "../rule-tools/backtest/backtest.ts";'],
    ["a service imports another", "storage/x.ts", 'import { a } from "../ingest/ingest.ts";'],
    ["a service imports the command line", "notifier/x.ts", 'import { a } from "../gateway/settings/settings.ts";'],
    ["an edge imports the engine", "broker/x.ts", 'import { a } from "../engine/step.ts";'],
    ["the page imports the platform", "dashboard/src/x.ts", 'import type { A } from "../../platform/service.ts";'],
    ["the page imports a service", "dashboard/src/x.ts", 'export * from "../../dashboard-feed/common/config.ts";'],
    ["a type import", "domain/x.ts", 'export type A = import("../platform/clock.ts").Clock;'],
    ["a dynamic import", "storage/x.ts", 'const a = await import("../ingest/ingest.ts");'],
    ["the product imports a test kit", "storage/x.ts", 'import { a } from "./testing/store-contract.ts";'],
    ["the product imports a bench", "gateway/x.ts", 'import { a } from "../bench/figures.ts";'],
    ["a folder without directions", "elsewhere/x.ts", 'import { a } from "../domain/time.ts";'],
  ];

  test.each(planted)("%s", (_kind, path, code) => {
    expect(forbiddenImports(importsOf(sourceFile(path, code)))).toHaveLength(1);
  });

  test.each([
    ["a test imports a kit", "storage/x.test.ts", 'import { a } from "./testing/store-contract.ts";'],
    ["a service imports the platform", "storage/x.ts", 'import type { Log } from "../platform/log/port.ts";'],
    ["a bench imports everything", "bench/x.ts", 'import { a } from "../engine/step.ts";'],
  ])("allowed: %s", (_kind, path, code) => {
    expect(forbiddenImports(importsOf(sourceFile(path, code)))).toEqual([]);
  });

  test("a circle of files, by type imports alone", () => {
    const a = sourceFile("engine/a.ts", 'import type { B } from "./b.ts";');
    const b = sourceFile("engine/b.ts", 'import type { A } from "./a.ts";');
    expect(fileCircles([a, b].flatMap(importsOf))).toEqual(["engine/a.ts -> engine/b.ts -> engine/a.ts"]);
  });

  test("a circle of three folders, and of a folder with its subfolder", () => {
    const three = [
      sourceFile("storage/a/x.ts", 'import "../b/y.ts";'),
      sourceFile("storage/b/y.ts", 'import "../c/z.ts";'),
      sourceFile("storage/c/z.ts", 'import "../a/other.ts";'),
    ];
    expect(folderCircles(three.flatMap(importsOf))).toHaveLength(1);
    const nested = [
      sourceFile("storage/storage.ts", 'import "./a/x.ts";'),
      sourceFile("storage/a/x.ts", 'import "../config.ts";'),
    ];
    expect(folderCircles(nested.flatMap(importsOf))).toHaveLength(1);
  });

  test("a function of 71 lines without a reason", () => {
    const body = "  work();\n".repeat(69);
    const long = `function f() {\n${body}}\n`;
    expect(longFunctions(sourceFile("engine/a.ts", long))).toHaveLength(1);
    expect(longFunctions(sourceFile("engine/a.ts", `// Long: a table of cases, one line each.\n${long}`))).toEqual([]);
    expect(longFunctions(sourceFile("engine/a.ts", long.replace("  work();\n", "")))).toEqual([]);
  });

  test("a banned phrase in a comment, a text, a template, JSX and a document", () => {
    const word = ["men", "ded"].join("");
    const codes = [`// It was ${word}.`, `const a = "was ${word}";`, `const a = \`\${b} was ${word}\`;`];
    for (const code of codes) expect(bannedPhrases(sourceFile("engine/a.ts", code))).toHaveLength(1);
    expect(bannedPhrases(sourceFile("dashboard/a.tsx", `const a = <p>was ${word}</p>;`))).toHaveLength(1);
    expect(bannedInText("docs/a.md", `It was ${word}.`)).toHaveLength(1);
    const broken = `/**\n * The rule ${["stands", "in"].join("\n * ")} a file.\n */`;
    expect(bannedPhrases(sourceFile("engine/a.ts", broken))).toHaveLength(1);
  });
});

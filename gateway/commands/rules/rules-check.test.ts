import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { Ajv } from "ajv";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import type { Fields } from "../../../rule-language/fields/field.ts";
import { readRules } from "../../../rule-language/files/load-rules.ts";
import { checkRules } from "../../../rule-language/lint/check-rules.ts";
import { RECIPES } from "../../../rule-language/reference/recipes.ts";
import { ruleReference } from "../../../rule-language/reference/rule-reference.ts";
import { ruleFileJsonSchema } from "../../../rule-language/reference/rule-schema.ts";
import { ALL_RULE_FIELDS } from "../../../rule-language/spec/rule-fields.ts";
import { ruleSpecSchema } from "../../../rule-language/spec/rule-spec.ts";
import { packageRoot } from "../../settings/paths.ts";
import { type CheckFlags, check, schemaText } from "./rules-check.ts";
import { problemsText } from "./rules-check-text.ts";

const BAD = join(packageRoot(), "rule-language", "files", "testdata");
const SAMPLES = join(packageRoot(), "rules");
const GOOD = 'rules:\n  - id: a\n    window: { tumbling: 1m }\n    when: "> 8"\n';
const ODD = `${GOOD}    for: 5s\n`;
const WRONG = `${GOOD}    fro: 5m\n`;

let folder = "";
const undo: (() => void)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-check-"));
});

afterEach(async () => {
  for (const step of undo.splice(0)) step();
  await rm(folder, { recursive: true, force: true });
});

async function checkFile(source: string, flags: Partial<CheckFlags> = {}) {
  const file = join(folder, "rules.yaml");
  await writeFile(file, source);
  return check([file], { format: "text", dataDir: folder, ...flags });
}

const badFiles = (await readdir(BAD)).filter((file) => file.endsWith(".yaml"));

test.each(badFiles)("testdata/%s has the problems of testdata/*.txt", async (name) => {
  const problems = checkRules(await readRules(join(BAD, name)), undefined);
  const named = problems.map((problem) => ({
    ...problem,
    file: basename(problem.file),
    related: problem.related.map((other) => ({ ...other, file: basename(other.file) })),
  }));
  const expected = await readFile(join(BAD, name.replace(/yaml$/, "txt")), "utf8");
  expect(problemsText(named, { colours: false })).toBe(expected);
  expect(problems.filter(({ severity }) => severity === "error").every(({ help }) => help)).toBe(true);
});

test("the samples have no problems, and name their schema", async () => {
  const files = (await readdir(SAMPLES)).filter((file) => /\.yaml$/.test(file) && !/\.test\.yaml$/.test(file));
  expect(files.length).toBeGreaterThan(8);
  const problems = checkRules(await readRules(SAMPLES), undefined);
  expect(problemsText(problems, { colours: false })).toBe("");
  const heads = await Promise.all(
    files.map(async (file) => (await readFile(join(SAMPLES, file), "utf8")).split("\n")[0]),
  );
  expect(new Set(heads)).toEqual(new Set(["# yaml-language-server: $schema=../docs/weir-rules.schema.json"]));
});

test.each([
  ["clean", GOOD, {}, 0],
  ["a warning", ODD, {}, 0],
  ["a warning, strict", ODD, { strict: true }, 1],
  ["an error", WRONG, {}, 1],
])("exit code: %s", async (_, source, flags, exitCode) => {
  expect((await checkFile(source, flags)).exitCode).toBe(exitCode);
});

test("a missing folder is an error with its name", async () => {
  const { text, exitCode } = await check([join(folder, "none")], { format: "text", dataDir: folder });
  expect(exitCode).toBe(1);
  expect(text).toMatch(/error\[E007\]: the rules folder cannot be read: ENOENT.*\n -->.*none:1:1\n/);
});

test("a file that is named directly and by its folder is read once", async () => {
  await writeFile(join(folder, "a.yaml"), GOOD);
  const { text } = await check([folder, join(folder, "a.yaml")], { format: "text", dataDir: folder });
  expect(text).toBe("1 rule in 1 file, no problems\n");
});

test("ids are unique across files; the error shows the other place", async () => {
  await writeFile(join(folder, "a.yaml"), GOOD);
  await writeFile(join(folder, "b.yaml"), GOOD.replace("> 8", "> 9"));
  const { text } = await check([folder], { format: "json", dataDir: folder });
  expect(JSON.parse(text)).toMatchObject({
    errors: 1,
    problems: [
      {
        code: "E005",
        file: join(folder, "b.yaml"),
        line: 2,
        column: 9,
        related: [{ file: join(folder, "a.yaml"), line: 2 }],
      },
    ],
  });
});

test("JSON and SARIF have the same places as the text", async () => {
  const json = JSON.parse((await checkFile(WRONG, { format: "json" })).text);
  expect(json).toMatchObject({
    errors: 1,
    warnings: 0,
    rules: 1,
    files: 1,
    problems: [{ code: "E002", severity: "error", line: 5, column: 5, length: 3 }],
  });
  const sarif = JSON.parse((await checkFile(WRONG, { format: "sarif" })).text);
  expect(sarif).toMatchObject({ version: "2.1.0", runs: [{ tool: { driver: { name: "weir-rules-check" } } }] });
  const [run] = sarif.runs;
  const [result] = run.results;
  expect(run.tool.driver.rules[result.ruleIndex].id).toBe(result.ruleId);
  expect(result).toMatchObject({
    ruleId: "E002",
    level: "error",
    locations: [
      {
        physicalLocation: { region: { startLine: 5, startColumn: 5, endColumn: 8, snippet: { text: "    fro: 5m" } } },
      },
    ],
  });
});

test("devices come from a file or a gateway; unknown ones are reported, an unreachable gateway is a usage error", async () => {
  const answer = {
    total: 1,
    devices: [{ device: "cold-1", tags: { site: "north" }, metrics: { temperature: { atUs: 1, value: 4.5 } } }],
  };
  const file = join(folder, "devices.json");
  await writeFile(file, JSON.stringify(answer));
  const source = GOOD.replace("    window", '    where: { device: "clod-*" }\n    window');
  expect((await checkFile(source, { devices: file })).text).toContain(
    'warning[W005]: no known sensor has device "clod-*"',
  );
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url, request.headers.authorization);
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  undo.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const devices = `http://127.0.0.1:${port}`;
  expect((await checkFile(source, { devices })).text).toContain('did you mean "cold-*"?');
  expect(asked).toEqual(["/api/v1/devices?limit=10000", undefined]);
  await writeFile(join(folder, "run.json"), JSON.stringify({ httpPort: port }));
  expect((await checkFile(source)).text).toContain("W005");
  await rm(join(folder, "run.json"));
  expect((await checkFile(source)).text).toBe("1 rule in 1 file, no problems\n");
  await expect(checkFile(source, { devices: join(folder, "none") })).rejects.toThrow("cannot be read");
  await expect(checkFile(source, { devices: "http://127.0.0.1:9" })).rejects.toThrow("does not answer");
  await writeFile(file, "cold-1\n");
  await expect(checkFile(source, { devices: file })).rejects.toThrow("is not an answer of /api/v1/devices");
});

test("receivers come from weir.yaml even if it has errors; an unreadable one is a usage error", async () => {
  const config = join(folder, "weir.yaml");
  const source = `${GOOD}    notify: [opps]\n`;
  expect((await checkFile(source)).text).toBe("1 rule in 1 file, no problems\n");
  await writeFile(config, "partitions: many\nnotifier: { receivers: { ops: [] } }\n");
  const { text, exitCode } = await checkFile(source, { config, strict: true });
  expect(text).toContain('warning[W020]: weir.yaml has no receiver "opps", so it notifies nobody');
  expect(text).toContain("= help: did you mean ops?");
  expect(exitCode).toBe(1);
  await writeFile(config, "\n");
  expect((await checkFile(source, { config })).text).toContain("it has no receivers; add it to notifier.receivers");
  await writeFile(config, "notifier: { receivers: [ops] }\n");
  await expect(checkFile(source, { config })).rejects.toThrow(/weir\.yaml:1:\d+: `notifier\.receivers/);
  await writeFile(config, "notifier: {\n");
  await expect(checkFile(source, { config })).rejects.toThrow(/weir\.yaml:1:\d+: this { is never closed/);
  await expect(checkFile(source, { config: join(folder, "none.yaml") })).rejects.toThrow("cannot be read");
});

test("a single checked file may refer to rules of its folder", async () => {
  const gateway = join(folder, "gateway.yaml");
  await writeFile(gateway, "rules:\n  - { id: gateway-silent, absent: 2m, group_by: [site] }\n");
  const source = `${GOOD}    inhibited_by: [{ rule: gateway-silent }]\n`;
  expect((await checkFile(source)).text).toBe("1 rule in 1 file, no problems\n");
  await rm(gateway);
  expect((await checkFile(source)).text).toContain('warning[W021]: no rule matches "gateway-silent"');
});

test("colours appear only on request", async () => {
  const problems = checkRules(await readRules(join(BAD, "key-twice.yaml")), undefined);
  expect(problemsText(problems, { colours: false })).not.toContain("\u001b");
  const coloured = problemsText(problems, { colours: true });
  expect(coloured).toContain("\u001b[31m^^^^\u001b[0m");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the test looks for colours
  expect(coloured.replace(/\u001b\[\d+m/g, "")).toBe(problemsText(problems, { colours: false }));
});

test("the published JSON Schema is the one of this version (`weir rules schema > docs/weir-rules.schema.json`)", async () => {
  const published = await readFile(join(packageRoot(), "docs", "weir-rules.schema.json"), "utf8");
  expect(JSON.parse(published)).toEqual(JSON.parse(schemaText()));
});

test("the published reference is the one of this version (`weir rules docs > docs/rules.md`)", async () => {
  expect(await readFile(join(packageRoot(), "docs", "rules.md"), "utf8")).toBe(ruleReference());
});

const validate = new Ajv({ allErrors: true, strict: false }).compile(ruleFileJsonSchema());

test("editors accept all samples and recipes", async () => {
  const files = (await readdir(SAMPLES)).filter((file) => !/\.test\.yaml$/.test(file));
  const sources = [
    ...(await Promise.all(files.map((file) => readFile(join(SAMPLES, file), "utf8")))),
    ...RECIPES.map(({ yaml }) => yaml),
  ];
  for (const source of sources) expect(validate(parse(source)) || validate.errors).toBe(true);
});

/** Mistakes of meaning, and between rules, that a JSON Schema cannot express. */
const BEYOND_SCHEMA = new Set([
  "levels-with-when",
  ...["absent-with-when", "clear-alone", "condition-backwards", "duration-too-long", "fill-without-tumbling"],
  ...["hopping-no-multiple", "id-twice", "let-half-condition", "let-name-unknown", "let-session", "let-text"],
  ...["let-without-window", "let-words", "annotation-helpers", "annotation-of-others", "defaults-conflict"],
  ...["step-alone", "step-too-long"],
]);

test.each(badFiles.map((file) => file.replace(".yaml", "")))(
  "editors underline bad/%s, where it is YAML",
  async (name) => {
    const source = await readFile(join(BAD, `${name}.yaml`), "utf8");
    let value: unknown;
    try {
      value = parse(source, { logLevel: "error" });
    } catch {
      return;
    }
    const said = await readFile(join(BAD, `${name}.txt`), "utf8");
    const isTag = /^error\[E001\]: `!/m.test(said);
    if (!isTag) expect(validate(value)).toBe(BEYOND_SCHEMA.has(name));
  },
);

test("each field has an example, and each example is valid", () => {
  for (const [name, { examples = [] }] of Object.entries(ALL_RULE_FIELDS))
    expect([name, examples.length > 0]).toEqual([name, true]);
  for (const { path, value } of examplesOf(ALL_RULE_FIELDS)) {
    const [field = "", inner] = path;
    const own = inner === undefined ? { [field]: value } : { [field]: windowWith(inner, value) };
    const window = field === "window" || field === "absent" ? {} : { window: { tumbling: "1m" } };
    const condition = field === "clear" ? { when: "> 8" } : field === "let" ? { when: conditionOver(value) } : {};
    expect(ruleSpecSchema.safeParse({ id: "a", ...window, ...condition, ...own }).error?.issues ?? []).toEqual([]);
  }
});

function examplesOf(fields: Fields, above: readonly string[] = []): { path: readonly string[]; value: unknown }[] {
  return Object.entries(fields).flatMap(([name, { examples = [], fields: inner = {}, hasNames }]) => [
    ...examples.map(({ value }) => ({ path: [...above, name], value })),
    ...(hasNames ? [] : examplesOf(inner, [...above, name])),
  ]);
}

function windowWith(kind: string, value: unknown): Record<string, unknown> {
  if (kind === "hopping") return { hopping: value, every: "30s" };
  if (kind === "step") return { count: 5, step: value };
  if (kind === "zone" || kind === "offset") return { calendar: "day", [kind]: value };
  if (kind === "starts") return { calendar: "week", starts: value };
  return kind === "every" ? { hopping: "5m", every: value } : { [kind]: value };
}

/** A condition over all names of a `let`. */
function conditionOver(names: unknown): string {
  return Object.keys(typeof names === "object" && names !== null ? names : {})
    .join(" < 8 && ")
    .concat(" < 8");
}

test("git keeps the compared files", async () => {
  const { stdout } = await promisify(execFile)(
    "git",
    ["check-ignore", "-v", join(BAD, "tab.yaml"), join(BAD, "tab.txt")],
    {
      cwd: packageRoot(),
    },
  ).catch(() => ({ stdout: "" }));
  expect(stdout).toBe("");
});

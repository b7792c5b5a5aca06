// Writes the generated pages of docs/ from the tables that they derive from: `npm run docs`. Tests compare both.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const weir = join(root, "dist", "gateway", "main.js");

/** By page: the command that prints it. */
const PAGES = {
  "rules.md": ["rules", "docs"],
  "weir-rules.schema.json": ["rules", "schema"],
  "configuration.md": ["config", "docs"],
  "weir.schema.json": ["config", "schema"],
  "openapi.yaml": ["openapi"],
  "asyncapi.yaml": ["asyncapi"],
};

function run(command, args) {
  const { status, stdout, error } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) {
    process.stderr.write(`${command} ${args.join(" ")} failed:\n${stdout}\n`);
    process.exit(1);
  }
  return stdout;
}

run("npm", ["run", "--silent", "build"]);
for (const [page, args] of Object.entries(PAGES)) {
  writeFileSync(join(root, "docs", page), run(process.execPath, [weir, ...args]));
}
const jsonPages = Object.keys(PAGES).filter((page) => page.endsWith(".json"));
run("npx", ["biome", "format", "--write", ...jsonPages.map((page) => `docs/${page}`)]);
// A snapshot: no command prints it.
run("npx", ["vitest", "run", "notifier/targets/kinds.test.ts", "--update"]);

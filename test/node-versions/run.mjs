// Runs tests on other versions of Node than the one that is installed: `npm run test:node-versions`.
// `--all` runs the whole suite instead of a chosen part; numbers choose the versions, like `-- 24 --all`.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const VITEST = join(ROOT, "node_modules", "vitest", "vitest.mjs");
const CACHE = join(process.env.WEIR_CACHE_DIR ?? join(homedir(), ".cache", "weir"), "node");
const VERSIONS = ["22", "24"];

/** What depends most on Node: sockets, files, threads, child processes, native modules. */
const QUICK = [
  "domain/",
  "broker/",
  "ingest/",
  "engine/",
  "platform/log/jetstream.test.ts",
  "platform/log/memory.test.ts",
  "storage/storage.test.ts",
  "storage/duckdb/duckdb-store.test.ts",
  "storage/influx/influx-store.test.ts",
  "test/end-to-end/separate-processes.test.ts",
];

function say(line) {
  process.stdout.write(`${line}\n`);
}

/** The path of a Node binary of this major version. It comes as an npm package, and is kept outside the tree. */
function provideNode(major) {
  const system = process.platform === "win32" ? "win" : process.platform;
  const name = `node-${system}-${process.arch}`;
  const folder = join(CACHE, major);
  const file = process.platform === "win32" ? "node.exe" : "node";
  const binary = join(folder, "node_modules", name, "bin", file);
  if (existsSync(binary)) return binary;
  say(`installing ${name}@${major}`);
  mkdirSync(folder, { recursive: true });
  const args = ["install", "--prefix", folder, "--no-save", "--no-fund", "--no-audit", `${name}@${major}`];
  const { status, error } = spawnSync("npm", args, { cwd: folder, stdio: "inherit" });
  if (error) throw error;
  if (status === 0 && existsSync(binary)) return binary;
  say(`Node ${major} is missing: npm has no ${name}@${major} for this machine, or cannot be reached.`);
  process.exit(1);
}

function runTests(binary, files) {
  // First on PATH: what a test starts as `node` is of the same version.
  const PATH = [dirname(binary), process.env.PATH].join(delimiter);
  const { status, error } = spawnSync(binary, [VITEST, "run", ...files], {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, PATH },
  });
  if (error) throw error;
  return status === 0;
}

const args = process.argv.slice(2);
const all = args.includes("--all");
const chosen = args.filter((arg) => arg !== "--all");
const odd = chosen.filter((arg) => !/^\d+$/.test(arg));
if (odd.length > 0) {
  say(`${odd.join(" ")}: expected major versions of Node, like 22, and --all.`);
  process.exit(2);
}
const results = (chosen.length > 0 ? chosen : VERSIONS).map((major) => {
  const binary = provideNode(major);
  const version = spawnSync(binary, ["--version"], { encoding: "utf8" }).stdout.trim();
  say(`\nNode ${version}: ${all ? "the whole suite" : "the quick part"}`);
  const startedMs = performance.now();
  const passed = runTests(binary, all ? [] : QUICK);
  return { version, passed, seconds: Math.round((performance.now() - startedMs) / 1000) };
});
say("");
for (const { version, passed, seconds } of results) {
  say(`Node ${version}: ${passed ? "passed" : "FAILED"} in ${seconds} s`);
}
process.exit(results.every(({ passed }) => passed) ? 0 : 1);

// Makes a release: `node scripts/release.mjs 0.2.0`, or `patch`, `minor`, `major`. With `--dry-run` it only shows the
// release. It checks the tree, moves "Unreleased" of CHANGELOG.md under the version, sets the version, commits and
// tags. It does not push.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const CHANGELOG = `${root}/CHANGELOG.md`;
const HEADING = "## Unreleased";

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function run(command, args, options = {}) {
  const { status, stdout } = spawnSync(command, args, { cwd: root, encoding: "utf8", ...options });
  if (status !== 0) fail(`${command} ${args.join(" ")} failed; nothing was released.`);
  return stdout?.trim() ?? "";
}

/** The version after `current` that `wanted` asks for, or undefined. */
export function nextVersion(current, wanted) {
  const parts = /^(\d+)\.(\d+)\.(\d+)$/.exec(current)?.slice(1).map(Number);
  if (!parts) return undefined;
  const [major, minor, patch] = parts;
  if (wanted === "major") return `${major + 1}.0.0`;
  if (wanted === "minor") return `${major}.${minor + 1}.0`;
  if (wanted === "patch") return `${major}.${minor}.${patch + 1}`;
  const exact = /^(\d+)\.(\d+)\.(\d+)$/.exec(wanted)?.slice(1).map(Number);
  if (!exact) return undefined;
  const first = exact.findIndex((value, i) => value !== parts[i]);
  return first >= 0 && exact[first] > parts[first] ? wanted : undefined;
}

/** The changelog with its unreleased part under a version, and that part as the release notes. */
export function releaseChangelog(text, version, date) {
  const start = text.indexOf(`${HEADING}\n`);
  if (start < 0) return undefined;
  const after = start + HEADING.length + 1;
  const end = text.indexOf("\n## ", after);
  const notes = text.slice(after, end < 0 ? text.length : end).trim();
  if (notes === "") return undefined;
  const rest = end < 0 ? "" : text.slice(end);
  return { notes, text: `${text.slice(0, start)}${HEADING}\n\n## ${version} - ${date}\n\n${notes}\n${rest}` };
}

function release(wanted, dryRun) {
  const { version: current } = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));
  const version = nextVersion(current, wanted);
  if (version === undefined)
    fail(`"${wanted}" is no version after ${current}; write patch, minor, major or like 1.2.3.`);
  const date = new Date().toISOString().slice(0, 10);
  const changed = releaseChangelog(readFileSync(CHANGELOG, "utf8"), version, date);
  if (changed === undefined) fail(`CHANGELOG.md has nothing under "${HEADING}"; write down what changes for users.`);
  if (dryRun) {
    process.stdout.write(`v${version} would be released with these notes:\n\n${changed.notes}\n`);
    return;
  }
  if (run("git", ["status", "--porcelain"]) !== "") fail("There are uncommitted changes; commit them first.");
  run("npm", ["run", "check"], { stdio: "inherit" });
  run("npm", ["test"], { stdio: "inherit" });
  writeFileSync(CHANGELOG, changed.text);
  run("npm", ["version", "--no-git-tag-version", version]);
  run("git", ["commit", "--all", "--message", `Release ${version}`]);
  run("git", [
    "tag",
    "--annotate",
    `v${version}`,
    "--message",
    `Weir ${version}\n\n${changed.notes}`,
    "--cleanup=verbatim",
  ]);
  process.stdout.write(`Tagged v${version}. Push it with: git push --follow-tags\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const wanted = args.find((arg) => !arg.startsWith("--"));
  if (wanted === undefined) fail("Which version? node scripts/release.mjs patch | minor | major | 1.2.3 [--dry-run]");
  release(wanted, args.includes("--dry-run"));
}

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type SourceFile, sourceFile } from "./source-file.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Files of the work tree that git knows or would add, relative to the root. */
export function repositoryFiles(): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard"];
  const names = execFileSync("git", args, { cwd: root, encoding: "utf8" }).split("\n");
  return names.filter((name) => name !== "" && existsSync(join(root, name)));
}

export function readRepositoryFile(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

export function repositorySources(): SourceFile[] {
  return repositoryFiles()
    .filter((path) => /\.tsx?$/.test(path))
    .map((path) => sourceFile(path, readRepositoryFile(path)));
}

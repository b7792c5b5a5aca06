import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { UsageError } from "../common/failures.ts";
import { INIT_FILES } from "./files.ts";

/** Adds `weir init`. */
export function addInitCommand(program: Command): void {
  program
    .command("init")
    .description("write a small weir.yaml, and a sample rule with its test; overwrites nothing")
    .argument("[folder]", "where to write (default: this folder)", ".")
    .action(init);
}

/** Writes the files into a folder. Throws UsageError, and writes nothing, when one of them exists. */
async function init(folder: string): Promise<void> {
  const files = Object.entries(INIT_FILES).map(([path, text]) => ({ path: join(folder, path), text }));
  const existing = files.filter(({ path }) => existsSync(path)).map(({ path }) => path);
  if (existing.length > 0) {
    throw new UsageError(
      `nothing was written: ${existing.join(", ")} already exists; remove it, or use another folder`,
    );
  }
  for (const { path, text } of files) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { flag: "wx" });
  }
  const written = files.map(({ path }) => `  ${path}`).join("\n");
  process.stdout.write(`Written:\n${written}\nNext: \`weir rules test\` runs the test, and \`weir up\` starts Weir.\n`);
}

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Mutant } from "./mutant.ts";

const COPIED = [
  ...["domain", "contracts", "platform", "rule-language", "engine", "rule-tools", "processors", "test"],
  ...["package.json", "tsconfig.json"],
];
const SEED_FILE = `import fc from "fast-check";
fc.configureGlobal({ seed: 1 });
`;
const CONFIG_FILE = `import { defineConfig } from "vitest/config";
export default defineConfig({
  test: { include: ["**/*.test.ts"], setupFiles: ["./fixed-seed.ts"], maxWorkers: 1, testTimeout: 60_000 },
});
`;

/** A mutant's text does not occur exactly once. The code has changed, so the mutant must be updated. */
export class StaleMutantError extends Error {
  override readonly name = "StaleMutantError";
}

/** Counts the occurrences of a mutant's text in a tree. */
export function occurrences(root: string, mutant: Mutant): number {
  return [...readFileSync(join(root, mutant.file), "utf8").matchAll(patternOf(mutant))].length;
}

/** Ignores line breaks. */
function patternOf({ from }: Mutant): RegExp {
  const words = from.trim().split(/\s+/);
  return new RegExp(words.map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("\\s+"), "g");
}

/** A copy of the tree in which mutants are planted. The tree itself never changes. */
export class TreeCopy {
  readonly root: string;

  /** Property tests in the copy start from a fixed seed, so that a run can be repeated. */
  constructor(source: string) {
    this.root = mkdtempSync(join(tmpdir(), "weir-mutants-"));
    for (const name of COPIED) {
      cpSync(join(source, name), join(this.root, name), {
        recursive: true,
        filter: (path) => !["node_modules", "dist"].includes(basename(path)),
      });
    }
    symlinkSync(join(source, "node_modules"), join(this.root, "node_modules"));
    writeFileSync(join(this.root, "fixed-seed.ts"), SEED_FILE);
    writeFileSync(join(this.root, "vitest.config.ts"), CONFIG_FILE);
  }

  /** Plants a mutant. Returns a function that removes it. */
  plant(mutant: Mutant): () => void {
    const count = occurrences(this.root, mutant);
    if (count !== 1) {
      const text = JSON.stringify(mutant.from);
      throw new StaleMutantError(`mutant ${mutant.name} is stale: ${text} occurs ${count} times in ${mutant.file}`);
    }
    const path = join(this.root, mutant.file);
    const whole = readFileSync(path, "utf8");
    writeFileSync(
      path,
      whole.replace(patternOf(mutant), () => mutant.to),
    );
    return () => writeFileSync(path, whole);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

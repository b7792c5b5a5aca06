import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";

const OUTPUT_CHARS_MAX = 4_000;

export interface TestRun {
  /** The names of failed tests, in order: file > test. */
  readonly failed: readonly string[];
  readonly passed: number;
  readonly timedOut: boolean;
}

interface VitestReport {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** The tests could not run at all. */
export class BrokenRunError extends Error {
  override readonly name = "BrokenRunError";
}

const running = new Set<() => void>();

/** Ends all current runs. */
export function endRuns(): void {
  for (const end of running) end();
}

export interface RunOptions {
  /** The number of failed tests after which to stop; 0 runs all. */
  readonly failuresMax: number;
  /** Bounded, because a mutant can make a test loop forever. */
  readonly msMax: number;
}

/** Runs test files of a tree. */
export async function runTests(root: string, files: readonly string[], options: RunOptions): Promise<TestRun> {
  const { failuresMax, msMax } = options;
  const output = join(root, "report.json");
  rmSync(output, { force: true });
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const args = ["run", ...files, "--reporter=json", `--outputFile=${output}`, `--bail=${failuresMax}`];
  // A separate process group, so that hanging workers end with it.
  const child = spawn(process.execPath, [vitest, ...args], {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      printed = `${printed}${chunk}`.slice(-OUTPUT_CHARS_MAX);
    });
  }
  const endGroup = () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
  };
  running.add(endGroup);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    endGroup();
  }, msMax);
  await new Promise((resolve) => child.once("exit", resolve));
  clearTimeout(timer);
  running.delete(endGroup);
  if (timedOut) return { failed: [], passed: 0, timedOut };
  const report = readReport(output, printed);
  const failed = report.testResults.flatMap(({ name, status, assertionResults }) => {
    const file = relative(root, name);
    const tests = assertionResults
      .filter((test) => test.status === "failed")
      .map((test) => `${file} > ${test.fullName}`);
    return status === "failed" && tests.length === 0 ? [`${file} > does not load`] : tests;
  });
  return { failed, passed: report.numPassedTests, timedOut };
}

function readReport(file: string, printed: string): VitestReport {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new BrokenRunError(`the tests did not run:\n${printed}`, { cause });
  }
}

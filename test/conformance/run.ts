import { CHECKS } from "./checks/checks.ts";
import { type Check, Scene } from "./scene/check.ts";
import type { Statements } from "./statements/statement.ts";
import { STATEMENTS_3 } from "./statements/v3.ts";
import { STATEMENTS_5 } from "./statements/v5.ts";
import type { Version } from "./wire/bytes.ts";
import { type Target, TRANSPORTS, type Transport } from "./wire/wire.ts";

export const STATEMENTS: Readonly<Record<Version, Statements>> = { 4: STATEMENTS_3, 5: STATEMENTS_5 };
export const VERSION_NAMES: Readonly<Record<Version, string>> = { 4: "3.1.1", 5: "5" };

/** Checks wait more than they compute: this many run at once. */
const AT_ONCE = 12;

export interface RunOptions {
  readonly target: Target;
  readonly picked: (check: Check, version: Version, transport: Transport) => boolean;
  readonly onResult?: (result: Result) => void;
}

export interface Result {
  readonly check: Check;
  readonly version: Version;
  readonly transport: Transport;
  /** Undefined: it passed. */
  readonly fault: string | undefined;
  /** What was sent and received, in hexadecimal. */
  readonly trace: readonly string[];
  /** What the broker sent against statements, whatever the check was about. */
  readonly violations: readonly { readonly statement: string | undefined; readonly text: string }[];
}

/** Runs the picked checks against a broker. They do not disturb one another: each has its own topics and client ids. */
export async function runChecks(options: RunOptions): Promise<readonly Result[]> {
  const jobs = [...jobsOf(options)];
  const results: Result[] = [];
  const run = Math.floor(Math.random() * 36 ** 4).toString(36);
  let next = 0;
  async function work(): Promise<void> {
    for (let job = jobs[next++]; job !== undefined; job = jobs[next++]) {
      const result = await runOne(options.target, job, `c${run}x${next}x`);
      results.push(result);
      options.onResult?.(result);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}

type Job = Pick<Result, "check" | "version" | "transport">;

function* jobsOf({ target, picked }: RunOptions): Generator<Job> {
  for (const check of CHECKS) {
    for (const transport of TRANSPORTS) {
      if (target[transport] === undefined || (check.only ?? transport) !== transport) continue;
      for (const version of [4, 5] as const) {
        if (check.covers[version] !== undefined && picked(check, version, transport))
          yield { check, version, transport };
      }
    }
  }
}

/** Each wait of a check has a bound of its own; this one is for a broker that never stops sending. */
const CHECK_MS_MAX = 60_000;

async function tooLate(): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, CHECK_MS_MAX).unref());
  throw new Error(`it took more than ${CHECK_MS_MAX} ms`);
}

async function runOne(target: Target, { check, version, transport }: Job, prefix: string): Promise<Result> {
  const scene = new Scene({ target, transport, version, prefix });
  let fault: string | undefined;
  try {
    await Promise.race([check.run(scene), tooLate()]);
  } catch (error) {
    fault = error instanceof Error ? error.message : String(error);
  } finally {
    scene.end();
  }
  const violations = scene.violations.map((violation) => ({
    statement: violation.statements[version],
    text: violation.message,
  }));
  fault ??= violations[0] === undefined ? undefined : `the broker sent what it may not: ${violations[0].text}`;
  return { check, version, transport, fault, violations, trace: scene.trace };
}

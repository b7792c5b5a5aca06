import type { Version } from "../wire/bytes.ts";
import type { Target } from "../wire/wire.ts";
import { makePlan, type Plan, type Step } from "./plan.ts";
import { type Played, play } from "./played.ts";

export interface SequenceOptions {
  readonly target: Target;
  readonly count: number;
  /** Of the first sequence; the next ones count up. */
  readonly seed: number;
  /** Clients have one of these. */
  readonly versions: readonly Version[];
  readonly say: (line: string) => void;
  /** Says the bytes of the sequences that it shrinks, too. */
  readonly trace?: boolean;
}

/** Sequences wait for packets most of the time. */
const AT_ONCE = 8;
const SHRINK_TRIES_MAX = 60;
const SHRUNK_MAX = 3;

/** Plays sequences, and shrinks the first ones that fail. Returns how many failed. */
export async function runSequences({ target, count, seed, versions, say, trace }: SequenceOptions): Promise<number> {
  const run = Math.floor(Math.random() * 36 ** 4).toString(36);
  const failed: Plan[] = [];
  let [next, played] = [0, 0];
  const playOne = (plan: Plan) => play(plan, target, `s${run}x${played++}`);
  async function work(): Promise<void> {
    for (let n = next++; n < count; n = next++) {
      const plan = makePlan(seed + n, versions);
      const { faults } = await playOne(plan);
      if (faults.length === 0) continue;
      failed.push(plan);
      say(`FAIL sequence ${plan.seed}: ${faults.slice(0, 3).join("; ")}`);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  for (const plan of failed.slice(0, SHRUNK_MAX))
    await report(plan, playOne, (line) => (trace === true || !line.startsWith(TRACED) ? say(line) : undefined));
  return failed.length;
}

const TRACED = "     ";

async function report(plan: Plan, playOne: (plan: Plan) => Promise<Played>, say: (line: string) => void) {
  const { steps, faults, trace } = await shrink(plan, playOne);
  say(`sequence ${plan.seed}, ${steps.length} of its ${plan.steps.length} steps: ${faults.join("; ")}`);
  for (const client of plan.clients) say(`    client ${JSON.stringify(client)}`);
  for (const step of steps) say(`    ${JSON.stringify(step)}`);
  for (const line of trace) say(`${TRACED}${line}`);
}

/** Leaves out steps as long as the sequence still fails. */
async function shrink(plan: Plan, playOne: (plan: Plan) => Promise<Played>) {
  let steps: readonly Step[] = plan.steps;
  let played: Played = { faults: [], trace: [] };
  let tries = 0;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = steps.length - size; at >= 0 && tries < SHRINK_TRIES_MAX; at -= size) {
      tries++;
      const fewer = [...steps.slice(0, at), ...steps.slice(at + size)];
      const found = await playOne({ ...plan, steps: fewer });
      if (found.faults.length > 0) [steps, played] = [fewer, found];
    }
  }
  return { steps, ...played };
}

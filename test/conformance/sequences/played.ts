import { Scene } from "../scene/check.ts";
import type { Target } from "../wire/wire.ts";
import type { Plan } from "./plan.ts";
import { Game } from "./play.ts";

export interface Played {
  /** What is wrong; empty if nothing. */
  readonly faults: readonly string[];
  /** What was sent and received, in hexadecimal. */
  readonly trace: readonly string[];
}

export async function play(plan: Plan, target: Target, prefix: string): Promise<Played> {
  const scene = new Scene({ target, transport: "tcp", version: 5, prefix });
  try {
    return { faults: await faultsOf(plan, scene, prefix), trace: scene.trace };
  } finally {
    scene.end();
  }
}

async function faultsOf(plan: Plan, scene: Scene, prefix: string): Promise<readonly string[]> {
  const game = new Game(plan, scene, prefix);
  try {
    for (const [n, step] of plan.steps.entries()) {
      await game.step(step);
      if (game.faults.length > 0) return game.faults.map((fault) => `step ${n} (${step.kind}): ${fault}`);
    }
    await game.finish();
    return game.faults.map((fault) => `at the end: ${fault}`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [...game.faults, text];
  }
}

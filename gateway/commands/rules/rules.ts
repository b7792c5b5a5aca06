import type { Command } from "commander";
import { addRulesBacktestCommands } from "./rules-backtest.ts";
import { addRulesCheckCommands } from "./rules-check.ts";
import { addRulesExplainCommand } from "./rules-explain.ts";
import { addRulesTestCommand } from "./rules-test.ts";

/** Adds `weir rules`. */
export function addRulesCommands(program: Command): void {
  const rules = program.command("rules").description("check, test, back-test and explain rules");
  for (const add of [addRulesCheckCommands, addRulesTestCommand, addRulesBacktestCommands, addRulesExplainCommand]) {
    add(rules);
  }
}

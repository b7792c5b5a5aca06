#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { COMMANDS } from "./commands/commands.ts";
import { describeFailure } from "./commands/common/failures.ts";
import { packageRoot } from "./settings/paths.ts";

const program = new Command("weir")
  .description("IoT sensor stream processing gateway")
  .version(JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version)
  .showHelpAfterError();

for (const add of COMMANDS) add(program);

try {
  await program.parseAsync();
  process.exit(0);
} catch (error) {
  process.stderr.write(`\n${describeFailure(error)}\n`);
  process.exit(1);
}

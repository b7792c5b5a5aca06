#!/usr/bin/env node
import { Command } from "commander";
import { COMMANDS } from "./commands/commands.ts";
import { describeFailure } from "./commands/common/failures.ts";
import { packageVersion } from "./settings/paths.ts";

const program = new Command("weir")
  .description("IoT sensor stream processing gateway")
  .version(packageVersion())
  .showHelpAfterError();

for (const add of COMMANDS) add(program);

try {
  await program.parseAsync();
  process.exit(0);
} catch (error) {
  process.stderr.write(`\n${describeFailure(error)}\n`);
  process.exit(1);
}

#!/usr/bin/env node
import { Command } from "commander";
import { addCommands } from "./commands/commands.ts";
import { describeFailure } from "./commands/common/failures.ts";
import { packageVersion } from "./settings/paths.ts";

const program = new Command("weir")
  .description("IoT sensor stream processing gateway")
  .version(packageVersion())
  .showHelpAfterError();

try {
  await addCommands(program, process.argv[2]);
  await program.parseAsync();
  process.exit(0);
} catch (error) {
  process.stderr.write(`\n${describeFailure(error)}\n`);
  process.exit(1);
}

#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Argument, Command } from "commander";
import { openApiText } from "../dashboard-feed/http/openapi.ts";
import { asyncApiText } from "../dashboard-feed/sockets/asyncapi.ts";
import { addAlertCommands } from "./commands/alerts.ts";
import { addDeadLetterCommands } from "./commands/dead-letters.ts";
import { doctor } from "./commands/doctor.ts";
import { describeFailure, UsageError } from "./commands/failures.ts";
import { passwd } from "./commands/passwd.ts";
import { addRulesBacktestCommands } from "./commands/rules/rules-backtest.ts";
import { addRulesCheckCommands } from "./commands/rules/rules-check.ts";
import { addRulesExplainCommand } from "./commands/rules/rules-explain.ts";
import { addRulesTestCommand } from "./commands/rules/rules-test.ts";
import { addSimulateCommands } from "./commands/simulate.ts";
import { up } from "./commands/up.ts";
import { packageRoot } from "./settings/paths.ts";
import { pipelineJsonSchema, readPipelineConfig } from "./settings/pipeline-config.ts";
import { natsOf, SERVICES, type ServiceName } from "./settings/plan.ts";
import { readSettings, SETTINGS, type Settings } from "./settings/settings.ts";

const program = new Command("weir")
  .description("IoT sensor stream processing gateway")
  .version(JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version)
  .showHelpAfterError();

withSettings(program.command("up"))
  .description("run everything in one process, with a NATS server of its own")
  .option("--demo", "also replay the shipped recording")
  .action((flags) => up({ settings: settingsOf(flags), services: SERVICES, demo: flags.demo === true }));

withSettings(program.command("run"))
  .description("run single services against a NATS server (WEIR_NATS_URL)")
  .addArgument(new Argument("<service...>").choices(SERVICES))
  .action((services: ServiceName[], flags) => {
    const settings = settingsOf(flags);
    if (natsOf(settings, readPipelineConfig(settings.config), process.env) === undefined) {
      throw new UsageError(
        "Single services meet on a NATS server: give its address with --nats-url (WEIR_NATS_URL), or nats.url in weir.yaml.",
      );
    }
    return up({ settings, services, demo: false });
  });

addSimulateCommands(program);

addAlertCommands(program);
addDeadLetterCommands(program);

withSettings(program.command("doctor"))
  .description("check all that Weir needs, and say what is wrong; changes nothing")
  .action(async (flags) => {
    process.exit((await doctor(settingsOf(flags))) ? 0 : 1);
  });

program
  .command("passwd")
  .description("make an entry for the users file; the password comes from standard input")
  .argument("<user>")
  .action(passwd);

const rules = program.command("rules").description("work with rule files");
addRulesCheckCommands(rules);
addRulesTestCommand(rules);
addRulesBacktestCommands(rules);
addRulesExplainCommand(rules);

program
  .command("config-schema")
  .description("print the JSON Schema of weir.yaml, for editors")
  .action(() => {
    process.stdout.write(`${JSON.stringify(pipelineJsonSchema(), undefined, 2)}\n`);
  });

program
  .command("openapi")
  .description("print the description of the HTTP API (OpenAPI 3.1)")
  .action(() => {
    process.stdout.write(openApiText(program.version() ?? ""));
  });

program
  .command("asyncapi")
  .description("print the description of the WebSocket feed (AsyncAPI 3.0)")
  .action(() => {
    process.stdout.write(asyncApiText(program.version() ?? ""));
  });

function withSettings(command: Command): Command {
  for (const { flag, variable, argument, description } of Object.values(SETTINGS)) {
    command.option(`${flag} <${argument}>`, `${description} [${variable}]`);
  }
  return command.option("--insecure", "open to the network without authentication, on purpose");
}

function settingsOf(flags: Readonly<Record<string, unknown>>): Settings {
  return readSettings(flags, process.env);
}

try {
  await program.parseAsync();
  process.exit(0);
} catch (error) {
  process.stderr.write(`\n${describeFailure(error)}\n`);
  process.exit(1);
}

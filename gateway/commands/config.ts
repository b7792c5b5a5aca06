import type { Command } from "commander";
import { configurationPage } from "../settings/configuration-page.ts";
import { pipelineJsonSchema } from "../settings/pipeline-config.ts";

/** Adds `weir config`: the reference of weir.yaml, for people and for editors. */
export function addConfigCommands(program: Command): void {
  const config = program.command("config").description("print the reference of weir.yaml");
  config.command("docs").description("print every setting as Markdown: docs/configuration.md").action(printPage);
  config.command("schema").description("print the JSON Schema, for editors").action(printSchema);
  // Its name before version 1.0.
  program.command("config-schema", { hidden: true }).action(printSchema);
}

function printPage(): void {
  process.stdout.write(configurationPage());
}

function printSchema(): void {
  process.stdout.write(`${JSON.stringify(pipelineJsonSchema(), undefined, 2)}\n`);
}

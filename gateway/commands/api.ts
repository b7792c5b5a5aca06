import type { Command } from "commander";
import { openApiText } from "../../dashboard-feed/http/openapi.ts";
import { asyncApiText } from "../../dashboard-feed/sockets/asyncapi.ts";

/** Adds `weir openapi` and `weir asyncapi`: what the gateway offers to programs. */
export function addApiCommands(program: Command): void {
  const version = program.version() ?? "";
  program
    .command("openapi")
    .description("print the description of the HTTP API (OpenAPI 3.1)")
    .action(() => {
      process.stdout.write(openApiText(version));
    });
  program
    .command("asyncapi")
    .description("print the description of the live feed (AsyncAPI 3.0)")
    .action(() => {
      process.stdout.write(asyncApiText(version));
    });
}

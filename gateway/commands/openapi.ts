import type { Command } from "commander";
import { openApiText } from "../../dashboard-feed/http/openapi.ts";

/** Adds `weir openapi`. */
export function addOpenApiCommand(program: Command): void {
  program
    .command("openapi")
    .description("print the description of the HTTP API (OpenAPI 3.1)")
    .action(() => {
      process.stdout.write(openApiText(program.version() ?? ""));
    });
}

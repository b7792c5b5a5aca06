import { writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { testFileJsonSchema } from "../../../rule-tools/test/format.ts";
import { jsonReport, junitReport, textReport } from "../../../rule-tools/test/reports.ts";
import { runTests } from "../../../rule-tools/test/run-tests.ts";

const FORMATS = { text: textReport, json: jsonReport, junit: junitReport } as const;

/** `weir rules test`: exit code 0 when all pass, 1 when one fails, 2 when a file cannot be used or nothing is there. */
export function addRulesTestCommand(rules: Command): void {
  rules
    .command("test")
    .description("run the tests beside rule files (*.test.yaml)")
    .argument("[paths...]", "test files, or folders of them (default: rules)")
    .addOption(new Option("--format <format>", "format of the report").choices(Object.keys(FORMATS)).default("text"))
    .option("--output <file>", "write the report to this file")
    .option("--only <text>", "only tests whose names contain this")
    .option("--schema", "print the JSON Schema of test files, for editors")
    .action(async (paths: readonly string[], flags: Flags) => {
      if (flags.schema) {
        process.stdout.write(`${JSON.stringify(testFileJsonSchema(), undefined, 2)}\n`);
        return;
      }
      const report = await runTests(paths.length > 0 ? paths : ["rules"], {
        nowMs: () => performance.now(),
        only: flags.only,
      });
      const text = FORMATS[flags.format](report);
      if (flags.output === undefined) process.stdout.write(text);
      else await writeFile(flags.output, text);
      const unusable = report.problems.length > 0 || report.outcomes.length === 0;
      process.exit(unusable ? 2 : report.failed > 0 ? 1 : 0);
    });
}

interface Flags {
  readonly format: keyof typeof FORMATS;
  readonly output?: string;
  readonly only?: string;
  readonly schema?: true;
}

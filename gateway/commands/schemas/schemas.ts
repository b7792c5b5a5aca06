import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { SCHEMA_REGISTRY, type SchemaReply, type SchemaRequest } from "../../../contracts/schemas.ts";
import { reasonOf } from "../../../domain/reason.ts";
import { UsageError } from "../common/failures.ts";
import { askService, type ReachFlags, reachingGateway, withFormat } from "../common/running-gateway.ts";
import { terminalText } from "../common/terminal-text.ts";
import { diffLines, prettySchema } from "./diff-lines.ts";
import {
  type Ask,
  check,
  type GivenFile,
  list,
  parseReference,
  register,
  type ShownSubject,
  schemaTypeOf,
  versionText,
} from "./schema-requests.ts";

interface Flags extends ReachFlags {
  readonly format: "text" | "json";
  readonly type?: string;
  readonly reference?: readonly string[];
  readonly version?: string;
}

/** Adds `weir schemas`: the schemas that sources name, and their versions. */
export function addSchemaCommands(program: Command): void {
  const schemas = program.command("schemas").description("register, check and list the schemas of payloads");
  givenFile(schemas.command("register"))
    .description("add a version to a subject, if its compatibility level allows it")
    .action(async (subject: string, file: string, flags: Flags) => {
      const added = await register(askingWith(flags), subject, fileOf(file, flags));
      print(flags, added, [`${subject} has the schema as version ${added.version}, with id ${added.id}`]);
    });
  givenFile(schemas.command("check"))
    .description("say whether a schema may follow the versions of a subject, and if not, why")
    .option("--version <version>", "compare with this version only: a number, or latest")
    .addHelpText("after", "\nExit code: 0 if it may follow, 1 if not.")
    .action(async (subject: string, file: string, flags: Flags) => {
      const reasons = await check(askingWith(flags), { subject, version: flags.version, given: fileOf(file, flags) });
      print(flags, { compatible: reasons.length === 0, reasons }, reasons.length === 0 ? ["it may follow"] : reasons);
      if (reasons.length > 0) process.exitCode = 1;
    });
  asking(schemas.command("list").argument("[subject]", "its versions; without it, all subjects"))
    .description("list subjects and their versions")
    .action(async (subject: string | undefined, flags: Flags) => {
      const subjects = await list(askingWith(flags), subject);
      print(flags, subjects, subjects.length === 0 ? ["no schemas"] : subjects.flatMap(subjectLines));
    });
  asking(schemas.command("diff").argument("<subject>").argument("<from>").argument("[to]", "a version", "latest"))
    .description("show what changed between two versions of a subject")
    .action(async (subject: string, from: string, to: string, flags: Flags) => {
      const ask = askingWith(flags);
      const [before, after] = [await versionText(ask, subject, from), await versionText(ask, subject, to)];
      const lines = diffLines(prettySchema(before), prettySchema(after));
      print(flags, lines, lines.length === 0 ? ["they are the same"] : lines);
    });
}

function asking(command: Command): Command {
  return withFormat(reachingGateway(command));
}

function givenFile(command: Command): Command {
  return asking(command.argument("<subject>").argument("<file>", "a schema: .avsc, .proto or .json"))
    .option("--type <type>", "AVRO, PROTOBUF or JSON (default: by the file's name)")
    .option("--reference <name=subject:version...>", "another schema that this one uses by that name");
}

function fileOf(file: string, { type, reference = [] }: Flags): GivenFile {
  let schema: string;
  try {
    schema = readFileSync(file, "utf8");
  } catch (cause) {
    throw new UsageError(`cannot read ${file}: ${reasonOf(cause)}`, { cause });
  }
  return { schema, schemaType: schemaTypeOf(file, type), references: reference.map(parseReference) };
}

function askingWith(flags: Flags): Ask {
  return (request: SchemaRequest): Promise<SchemaReply> =>
    askService(flags, { service: "edge", question: SCHEMA_REGISTRY, value: request });
}

function subjectLines({ subject, compatibility, versions }: ShownSubject): string[] {
  return [
    `${subject} (${compatibility})`,
    ...versions.map(({ version, id, type }) => `  version ${version}, id ${id}, ${type}`),
  ];
}

function print(flags: Flags, value: unknown, lines: readonly string[]): void {
  const text = flags.format === "json" ? JSON.stringify(value, undefined, 2) : lines.map(terminalText).join("\n");
  process.stdout.write(`${text}\n`);
}

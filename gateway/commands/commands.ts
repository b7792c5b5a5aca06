import type { Command } from "commander";

interface CommandFile {
  /** The commands that it adds. */
  readonly names: readonly string[];
  load(): Promise<(program: Command) => void>;
}

/**
 * The commands of `weir`, in the order of its help. A command is a file and a line here. Only the file of the command
 * that is given is loaded: loading is most of a start.
 */
export const COMMANDS: readonly CommandFile[] = [
  { names: ["init"], load: async () => (await import("./init/init.ts")).addInitCommand },
  { names: ["up"], load: async () => (await import("./up/up.ts")).addUpCommand },
  { names: ["run"], load: async () => (await import("./up/up.ts")).addRunCommand },
  { names: ["drain"], load: async () => (await import("./drain.ts")).addDrainCommand },
  { names: ["simulate"], load: async () => (await import("./simulate.ts")).addSimulateCommands },
  { names: ["rules"], load: async () => (await import("./rules/rules.ts")).addRulesCommands },
  { names: ["alerts"], load: async () => (await import("./alerts/alerts.ts")).addAlertCommands },
  { names: ["silences"], load: async () => (await import("./alerts/silences.ts")).addSilenceCommands },
  { names: ["deadletters"], load: async () => (await import("./dead-letters/dead-letters.ts")).addDeadLetterCommands },
  { names: ["sources"], load: async () => (await import("./sources/sources.ts")).addSourceCommands },
  { names: ["schemas"], load: async () => (await import("./schemas/schemas.ts")).addSchemaCommands },
  { names: ["log"], load: async () => (await import("./log/log.ts")).addLogCommands },
  { names: ["doctor"], load: async () => (await import("./doctor/doctor.ts")).addDoctorCommand },
  { names: ["passwd"], load: async () => (await import("./passwd.ts")).addPasswdCommand },
  { names: ["config", "config-schema"], load: async () => (await import("./config.ts")).addConfigCommands },
  { names: ["openapi", "asyncapi"], load: async () => (await import("./api.ts")).addApiCommands },
];

/** Adds the command of this name; all commands when there is none, for help and for corrections. */
export async function addCommands(program: Command, name?: string): Promise<void> {
  const named = COMMANDS.filter(({ names }) => name !== undefined && names.includes(name));
  for (const { load } of named.length > 0 ? named : COMMANDS) (await load())(program);
}

import type { Command } from "commander";
import { keysOf } from "../../../domain/keys-of.ts";
import { readSettings, SETTINGS, type Settings } from "../../settings/settings.ts";

type Name = keyof typeof SETTINGS;

export interface FlagOptions {
  /** The settings that the command uses; default: all. */
  readonly only?: readonly Name[];
  /** Where a setting means something else than usual. */
  readonly descriptions?: Partial<Readonly<Record<Name, string>>>;
}

/** Adds flags of `settings.ts` to a command; each names its environment variable. */
export function withSettings(command: Command, { only, descriptions = {} }: FlagOptions = {}): Command {
  for (const name of only ?? keysOf(SETTINGS)) {
    const { flag, variable, argument, description } = SETTINGS[name];
    command.option(`${flag} <${argument}>`, `${descriptions[name] ?? description} [${variable}]`);
  }
  if (only !== undefined && !only.includes("bind")) return command;
  return command.option("--insecure", "allow other machines to connect without authentication");
}

/** The settings from the flags and the environment. Throws BadSettingsError. */
export function settingsOf(flags: Readonly<Record<string, unknown>>): Settings {
  return readSettings(flags, process.env);
}

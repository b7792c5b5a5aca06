import type { Command } from "commander";
import { readSettings, SETTINGS, type Settings } from "../../settings/settings.ts";

/** Adds the flags of `settings.ts` to a command; each names its environment variable. */
export function withSettings(command: Command): Command {
  for (const { flag, variable, argument, description } of Object.values(SETTINGS)) {
    command.option(`${flag} <${argument}>`, `${description} [${variable}]`);
  }
  return command.option("--insecure", "allow other machines to connect without authentication");
}

/** The settings from the flags and the environment. Throws BadSettingsError. */
export function settingsOf(flags: Readonly<Record<string, unknown>>): Settings {
  return readSettings(flags, process.env);
}

import { existsSync, readdirSync } from "node:fs";
import type { Settings } from "./settings.ts";

/**
 * Whether a start may create the rules folder: only the default one, for a gateway that has never run here. Anywhere
 * else a missing folder is an error, because an empty one would end all open incidents.
 */
export function mayCreateRulesFolder(settings: Settings, ownNats: boolean): boolean {
  const { rulesDir, rulesDirGiven, dataDir } = settings;
  return ownNats && !rulesDirGiven && !existsSync(rulesDir) && !existsSync(dataDir);
}

/** Whether the folder exists and has no rule files. */
export function hasNoRuleFiles({ rulesDir }: Pick<Settings, "rulesDir">): boolean {
  return existsSync(rulesDir) && !readdirSync(rulesDir).some((name) => /\.ya?ml$/.test(name));
}

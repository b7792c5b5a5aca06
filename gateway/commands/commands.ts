import type { Command } from "commander";
import { addAlertCommands } from "./alerts/alerts.ts";
import { addSilenceCommands } from "./alerts/silences.ts";
import { addApiCommands } from "./api.ts";
import { addConfigCommands } from "./config.ts";
import { addDeadLetterCommands } from "./dead-letters/dead-letters.ts";
import { addDoctorCommand } from "./doctor/doctor.ts";
import { addInitCommand } from "./init/init.ts";
import { addLogCommands } from "./log/log.ts";
import { addPasswdCommand } from "./passwd.ts";
import { addRulesCommands } from "./rules/rules.ts";
import { addSchemaCommands } from "./schemas/schemas.ts";
import { addSimulateCommands } from "./simulate.ts";
import { addRunCommand, addUpCommand } from "./up/up.ts";

/** The commands of `weir`, in the order of its help. A command is a file and a line here. */
export const COMMANDS: readonly ((program: Command) => void)[] = [
  addInitCommand,
  addUpCommand,
  addRunCommand,
  addSimulateCommands,
  addRulesCommands,
  addAlertCommands,
  addSilenceCommands,
  addDeadLetterCommands,
  addSchemaCommands,
  addLogCommands,
  addDoctorCommand,
  addPasswdCommand,
  addConfigCommands,
  addApiCommands,
];

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { type LogForReading, openLogForReading } from "../../platform/log/jetstream-reading.ts";
import { LogClosedError } from "../../platform/log/port.ts";
import { createLogger } from "../../platform/logger.ts";
import { SETTINGS } from "../settings/settings.ts";
import { UsageError } from "./failures.ts";

const CONNECT_MS = 5_000;

export interface ReachFlags {
  readonly dataDir?: string;
  readonly natsUrl?: string;
  readonly natsToken?: string;
}

/** Adds the flags that say where the gateway is. */
export function reachingGateway(command: Command): Command {
  for (const name of ["dataDir", "natsUrl", "natsToken"] as const) {
    const { flag, variable, argument, description } = SETTINGS[name];
    command.addOption(new Option(`${flag} <${argument}>`, description).env(variable));
  }
  return command;
}

/** Does something with the log of a running gateway. Throws UsageError when it cannot be reached. */
export async function withLog<T>(flags: ReachFlags, work: (log: LogForReading) => Promise<T>): Promise<T> {
  const { url, token } = addressOf(flags);
  const logger = createLogger({ level: "silent", pretty: false, name: "rules" });
  const signal = AbortSignal.timeout(CONNECT_MS);
  let log: LogForReading;
  try {
    log = await openLogForReading({
      servers: url,
      name: "weir-rules",
      logger,
      signal,
      ...(token === undefined ? {} : { token }),
    });
  } catch (error) {
    if (error instanceof LogClosedError) throw new UsageError(`${url} does not answer: is the gateway running?`);
    throw error;
  }
  try {
    return await work(log);
  } finally {
    await log.close();
  }
}

function addressOf(flags: ReachFlags): { readonly url: string; readonly token: string | undefined } {
  if (flags.natsUrl !== undefined) return { url: flags.natsUrl, token: flags.natsToken };
  const file = join(flags.dataDir ?? ".weir", "run.json");
  let run: { readonly natsUrl?: string; readonly natsToken?: string };
  try {
    run = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new UsageError(
      `no gateway runs in this folder (${file} is not there): say where with --data-dir or --nats-url`,
    );
  }
  return { url: run.natsUrl ?? "", token: run.natsToken };
}

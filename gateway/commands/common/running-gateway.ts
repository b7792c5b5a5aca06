import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, Option } from "commander";
import type { Question } from "../../../contracts/question.ts";
import { createNatsBus } from "../../../platform/log/jetstream-bus.ts";
import { type Connection, openConnection } from "../../../platform/log/jetstream-connection.ts";
import { type LogForReading, openLogForReading } from "../../../platform/log/jetstream-reading.ts";
import { LogClosedError, NoAnswerError } from "../../../platform/log/port.ts";
import { createLogger } from "../../../platform/logger.ts";
import { readPipelineConfig } from "../../settings/pipeline-config.ts";
import { natsOf } from "../../settings/plan.ts";
import { CONFIG_FILE, SETTINGS } from "../../settings/settings.ts";
import { UsageError } from "./failures.ts";

const CONNECT_MS = 5_000;
const NAME = "weir-cli";

/** For help: which NATS server a command beside a gateway asks. */
export const OF_GATEWAY =
  "NATS server (default: that of the gateway in the data folder, or else nats.url in weir.yaml)";

export interface ReachFlags {
  readonly dataDir?: string;
  readonly config?: string;
  readonly natsUrl?: string;
  readonly natsToken?: string;
}

/** Adds the flags that locate the gateway. */
export function reachingGateway(command: Command): Command {
  for (const name of ["dataDir", "config", "natsUrl", "natsToken"] as const) {
    const { flag, variable, argument, description } = SETTINGS[name];
    const about = name === "natsUrl" ? OF_GATEWAY : description;
    command.addOption(new Option(`${flag} <${argument}>`, about).env(variable));
  }
  return command;
}

/** Adds `--format text|json`: every command that prints answers has it. */
export function withFormat(command: Command): Command {
  return command.addOption(new Option("--format <format>", "how to print").choices(["text", "json"]).default("text"));
}

/** Runs `work` with the log of a running gateway. Throws UsageError when the gateway cannot be reached. */
export async function withLog<T>(flags: ReachFlags, work: (log: LogForReading) => Promise<T>): Promise<T> {
  const address = addressOf(flags);
  const log = await reached(address.url, () => openLogForReading(optionsOf(address)));
  try {
    return await work(log);
  } finally {
    await log.close();
  }
}

/** Runs `work` with a connection to the server of a gateway. Throws UsageError when it does not answer. */
export async function withConnection<T>(address: Address, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await reached(address.url, () => openConnection(optionsOf(address)));
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

/** Asks a service of a running gateway. Throws UsageError when it cannot be reached, or refuses. */
export async function askService<Ask, Asked, Answer>(
  flags: ReachFlags,
  { service, command = `weir run ${service}`, question, value, timeoutMs }: Request<Ask, Asked, Answer>,
): Promise<Answer> {
  const address = addressOf(flags);
  return await withConnection(address, async (connection) => {
    try {
      return await createNatsBus(connection).request(question, value, timeoutMs === undefined ? {} : { timeoutMs });
    } catch (error) {
      if (error instanceof LogClosedError) throw notRunning(address.url);
      if (error instanceof NoAnswerError) {
        throw new UsageError(`the ${service} does not answer at ${address.url}: is it running? (${command})`);
      }
      throw error instanceof Error ? new UsageError(error.message) : error;
    }
  });
}

interface Request<Ask, Asked, Answer> {
  /** The service that answers: named in errors. */
  readonly service: string;
  readonly question: Question<Ask, Asked, Answer>;
  readonly value: Ask;
  /** What starts the service. */
  readonly command?: string;
  readonly timeoutMs?: number;
}

export interface Address {
  readonly url: string;
  readonly token: string | undefined;
}

function optionsOf({ url, token }: Address) {
  return {
    servers: url,
    name: NAME,
    logger: createLogger({ level: "silent", pretty: false, name: NAME }),
    signal: AbortSignal.timeout(CONNECT_MS),
    ...(token === undefined ? {} : { token }),
  };
}

async function reached<T>(url: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof LogClosedError) throw notRunning(url);
    throw error;
  }
}

function notRunning(url: string): UsageError {
  return new UsageError(`${url} does not answer: is the gateway running?`);
}

/** The gateway that the flags name, or else the one of the data folder, or else that of `nats:` in weir.yaml. */
export function addressOf(flags: ReachFlags): Address {
  const { natsUrl, natsToken, dataDir = ".weir" } = flags;
  if (natsUrl !== undefined) return { url: natsUrl, token: natsToken };
  const file = join(dataDir, "run.json");
  const run = runIn(file);
  if (run !== undefined) return { url: run.natsUrl ?? "", token: run.natsToken };
  const config = flags.config ?? (existsSync(CONFIG_FILE) ? CONFIG_FILE : undefined);
  const shared = natsOf({ natsUrl, natsToken }, readPipelineConfig(config), process.env);
  if (shared !== undefined) return shared;
  throw new UsageError(
    `no gateway is running in this folder (${file} does not exist): name one with --data-dir or --nats-url`,
  );
}

/** What a running gateway says about itself; undefined if none runs there. */
export function runIn(
  file: string,
): { readonly natsUrl?: string; readonly natsToken?: string; readonly mqttPort?: number } | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

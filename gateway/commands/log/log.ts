import type { Command } from "commander";
import { pino } from "pino";
import { systemClock } from "../../../platform/clock.ts";
import type { Connection } from "../../../platform/log/jetstream-connection.ts";
import { type JetStreamProbe, probeJetStream } from "../../../platform/log/probe.ts";
import { applyChange, type StreamChange, streamChanges } from "../../../platform/log/stream-changes.ts";
import { DUPLICATE_WINDOW_MS } from "../../../platform/log/streams.ts";
import { readServerRecord, storeFreeBytes, urlOf } from "../../../platform/nats-server/data-dir.ts";
import { readPipelineConfig } from "../../settings/pipeline-config.ts";
import { logRetentions, natsOf } from "../../settings/plan.ts";
import type { Settings } from "../../settings/settings.ts";
import { UsageError } from "../common/failures.ts";
import { type Address, addressOf, OF_GATEWAY, withConnection } from "../common/running-gateway.ts";
import { settingsOf, withSettings } from "../common/settings-flags.ts";
import { whyNot } from "../doctor/doctor-nats.ts";
import { changeLines, streamLines } from "./log-lines.ts";

const TIMEOUT_MS = 3_000;
const NAME = "weir-log";
const USED = {
  only: ["dataDir", "config", "natsUrl", "natsToken"],
  descriptions: { natsUrl: OF_GATEWAY },
} as const;

/** Adds `weir log`: shows what the streams keep, and changes it on the owner's order. */
export function addLogCommands(program: Command): void {
  const log = program.command("log").description("show what the log keeps, and change it");
  withSettings(log.command("show"), USED)
    .description("list the streams of the log, with their limits and what they hold; changes nothing")
    .action((flags) => showLog(settingsOf(flags)));
  withSettings(log.command("apply"), USED)
    .description("bring the streams of the log to weir.yaml; without --yes, only show what would change")
    .option("--yes", "change the streams, even where that deletes messages")
    .action(async (flags) => {
      if (!(await applyLog(settingsOf(flags), { yes: flags.yes === true }))) process.exit(1);
    });
}

export async function showLog(settings: Settings): Promise<void> {
  const address = serverOf(settings);
  const { streams } = await probeOf(address);
  print(
    streams.size === 0
      ? [`${address.url} has no streams of Weir yet; its first start creates them`]
      : streamLines(streams),
  );
}

/** Shows the difference between the streams and weir.yaml, and applies it with `yes`. Resolves to whether it worked. */
export async function applyLog(settings: Settings, { yes }: { readonly yes: boolean }): Promise<boolean> {
  const address = serverOf(settings);
  await probeOf(address);
  return await withConnection(address, async (connection) => {
    const changes = await changesOf(connection, settings, address);
    if (changes.length === 0) {
      print(["the streams are as weir.yaml says"]);
      return true;
    }
    print(changes.flatMap(changeLines));
    if (yes) return await applyAll(connection, changes);
    print(["nothing is changed yet; to apply this: weir log apply --yes"]);
    return true;
  });
}

async function changesOf(
  connection: Connection,
  settings: Settings,
  { url }: Address,
): Promise<readonly StreamChange[]> {
  const config = readPipelineConfig(settings.config);
  const own = await readServerRecord(settings.dataDir);
  const isOwn = own !== undefined && urlOf(own) === url;
  return await streamChanges(connection, {
    retention: logRetentions(config),
    replicas: config.log.replicas,
    duplicateWindowMs: DUPLICATE_WINDOW_MS,
    freeBytes: isOwn ? await storeFreeBytes(settings.dataDir) : undefined,
    nowUs: systemClock.nowUs(),
    logger: printing,
  });
}

async function applyAll(connection: Connection, changes: readonly StreamChange[]): Promise<boolean> {
  let isDone = true;
  for (const change of changes) isDone = (await applyChange(connection, change, printing)) && isDone;
  return isDone;
}

/** The server of the settings, or else that of the gateway that runs in the data folder. Throws UsageError. */
function serverOf(settings: Settings): Address {
  return natsOf(settings, readPipelineConfig(settings.config), process.env) ?? addressOf({ dataDir: settings.dataDir });
}

async function probeOf({ url, token }: Address): Promise<Extract<JetStreamProbe, { state: "ready" }>> {
  const access = token === undefined ? {} : { token };
  const probe = await probeJetStream({ servers: url, ...access, name: NAME, timeoutMs: TIMEOUT_MS, records: [] });
  if (probe.state === "ready") return probe;
  throw new UsageError(whyNot(probe, url, token !== undefined));
}

/** The messages of the log's functions, as plain lines of the command. */
const printing = pino({ level: "info" }, { write: (line: string) => print([String(JSON.parse(line).msg)]) });

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

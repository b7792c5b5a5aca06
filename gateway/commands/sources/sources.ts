import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { connectAsync } from "mqtt";
import { stringify } from "yaml";
import { reasonOf } from "../../../domain/reason.ts";
import { parseDurationUs, US_PER_MS, US_PER_SECOND } from "../../../domain/time.ts";
import type { SourceConfig } from "../../../ingest/mapping/source-fields.ts";
import { PRESET_NAMES, readPreset } from "../../../ingest/presets/presets.ts";
import { suggestSources } from "../../../ingest/trials/suggest.ts";
import { type TriedMessage, tryMessage } from "../../../ingest/trials/trial.ts";
import { sleep } from "../../../platform/async/sleep.ts";
import { letterAt, pageOfLetters } from "../../../platform/dead-letter-log.ts";
import { readPipelineConfig } from "../../settings/pipeline-config.ts";
import { CONFIG_FILE } from "../../settings/settings.ts";
import { UsageError } from "../common/failures.ts";
import { type ReachFlags, reachingGateway, runIn, withLog } from "../common/running-gateway.ts";
import { trialLines } from "./trial-lines.ts";

const LETTERS_MAX = 500;
const LISTENED_MAX = 5_000;
const LISTEN_US_MAX = 3_600 * US_PER_SECOND;
const DEFAULT_MQTT_PORT = 1_883;

interface Flags extends ReachFlags {
  readonly letter?: string;
  readonly listen?: string;
  readonly broker?: string;
}

/** Adds `weir sources`: what the sources of weir.yaml make of messages, and sources for those that none reads. */
export function addSourceCommands(parent: Command): void {
  const sources = parent.command("sources").description("try messages on the sources of weir.yaml, and find new ones");
  sources
    .command("presets")
    .description("list the ready-made sources for families of devices: `use: NAME`")
    .action(() => write(PRESET_NAMES.map((name) => `${name.padEnd(18)} ${readPreset(name).about}`).join("\n")));
  sources
    .command("show")
    .argument("<preset>", "a name of `weir sources presets`")
    .description("print the sources of a preset, to read or to copy")
    .action((name: string) => write(presetNamed(name).trimEnd()));
  reachingGateway(sources.command("try"))
    .argument("[topic]", "the topic of the message")
    .argument("[payload]", "its payload; @FILE reads it from a file")
    .option("--letter <number>", "a dead letter of a running gateway, instead of topic and payload")
    .description("show what each source makes of a message, and why one does not fit")
    .action((topic: string | undefined, payload: string | undefined, flags: Flags) => tryOne(topic, payload, flags));
  reachingGateway(sources.command("suggest"))
    .description("write sources for messages that no source reads: of the dead letters, or of a broker")
    .option(
      "--listen <duration>",
      "listen to all topics of a broker for this long (10s), instead of reading dead letters",
    )
    .option("--broker <url>", "the broker to listen to (default: that of the gateway in the data folder)")
    .action((flags: Flags) => suggest(flags));
}

function presetNamed(name: string): string {
  if (!PRESET_NAMES.includes(name)) {
    throw new UsageError(
      `there is no preset "${name}"; \`weir sources presets\` lists them: ${PRESET_NAMES.join(", ")}`,
    );
  }
  return readPreset(name).text;
}

async function tryOne(topic: string | undefined, payload: string | undefined, flags: Flags): Promise<void> {
  const message = flags.letter === undefined ? givenMessage(topic, payload) : await letterMessage(flags.letter, flags);
  write(trialLines(message, sourcesOf(flags)).join("\n"));
}

/** Of the file that a gateway in this folder would use. */
function sourcesOf({ config }: Flags): readonly SourceConfig[] {
  return readPipelineConfig(config ?? (existsSync(CONFIG_FILE) ? CONFIG_FILE : undefined)).sources;
}

function givenMessage(topic: string | undefined, payload: string | undefined): TriedMessage {
  if (topic === undefined || payload === undefined) {
    throw new UsageError("give the topic and the payload of a message, or --letter and the number of a dead letter");
  }
  return {
    topic,
    payload: payload.startsWith("@") ? fileBytes(payload.slice(1)) : Buffer.from(payload),
    receivedAtUs: nowUs(),
  };
}

function fileBytes(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`the payload's file cannot be read: ${reasonOf(error)}`);
  }
}

async function letterMessage(named: string, flags: Flags): Promise<TriedMessage> {
  if (!/^[1-9]\d{0,14}$/.test(named)) throw new UsageError(`"${named}" is not the number of a letter`);
  const kept = await withLog(flags, (log) => letterAt(log, Number(named)));
  if (kept === undefined)
    throw new UsageError(`there is no dead letter ${named}; \`weir deadletters list\` shows them`);
  return kept.letter;
}

async function suggest(flags: Flags): Promise<void> {
  const messages = flags.listen === undefined ? await unknownLetters(flags) : await heard(flags);
  const sources = sourcesOf(flags);
  const unread = messages.filter((message) =>
    sources.every((source) => ["other-topic", "condition"].includes(tryMessage(source, message).kind)),
  );
  if (messages.length === 0)
    return write(
      `# ${flags.listen === undefined ? "There are no dead letters of unknown topics." : "Nothing was heard."}`,
    );
  if (unread.length === 0) return write("# A source takes each of these topics: there is nothing to suggest.");
  const suggestions = suggestSources(unread);
  const read = suggestions.reduce((sum, one) => sum + one.messages, 0);
  write(`# Sources for ${read} of ${unread.length} messages that no source reads. Put them into weir.yaml.`);
  if (suggestions.length === 0) return write("# None of them has readings that can be recognized.");
  write("sources:");
  for (const { source, messages: count, example } of suggestions) {
    const text = Buffer.from(example.payload).toString().replace(/\s+/g, " ").slice(0, 80);
    write(`  # ${count} ${count === 1 ? "message" : "messages"}, as ${example.topic.slice(0, 80)}  ${printable(text)}`);
    write(stringify([source]).trimEnd().replace(/^/gm, "  "));
  }
}

async function unknownLetters(flags: Flags): Promise<TriedMessage[]> {
  return await withLog(flags, async (log) => {
    const { letters } = await pageOfLetters(
      log,
      { reason: "unknown-topic", limit: LETTERS_MAX },
      ({ letter }) => letter,
    );
    return [...letters];
  });
}

/** What a broker has under any topic, for a while. */
async function heard(flags: Flags): Promise<TriedMessage[]> {
  const ms = listenMsOf(flags.listen ?? "");
  const broker = flags.broker ?? brokerOf(flags);
  const messages: TriedMessage[] = [];
  const client = await connectAsync(broker, { connectTimeout: 5_000, reconnectPeriod: 0 }).catch((error: unknown) => {
    throw new UsageError(`the broker ${shownUrl(broker)} cannot be reached: ${reasonOf(error)}`);
  });
  client.on("message", (topic, payload) => {
    if (messages.length < LISTENED_MAX) messages.push({ topic, payload, receivedAtUs: nowUs() });
  });
  const lost = new Promise<"lost">((resolve) => client.once("close", () => resolve("lost")));
  try {
    const [granted] = await client.subscribeAsync("#");
    if (granted === undefined || granted.qos > 2) throw new Error("it does not allow the subscription");
    if ((await Promise.race([sleep(ms), lost])) === "lost") throw new Error("the connection was lost");
  } catch (error) {
    throw new UsageError(`cannot listen to all topics of ${shownUrl(broker)}: ${reasonOf(error)}`);
  } finally {
    await client.endAsync(true);
  }
  return messages;
}

/** A duration, or a number of seconds. */
function listenMsOf(text: string): number {
  const us = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * US_PER_SECOND : parseDurationUs(text);
  if (us !== undefined && us > 0 && us <= LISTEN_US_MAX) return us / US_PER_MS;
  throw new UsageError(`--listen ${text} is not a duration up to 1h, as 10s`);
}

/** The broker of the gateway that runs with this data folder. */
function brokerOf({ dataDir = ".weir" }: Flags): string {
  const { mqttPort = DEFAULT_MQTT_PORT } = runIn(join(dataDir, "run.json")) ?? {};
  return `mqtt://127.0.0.1:${mqttPort}`;
}

/** Without the password. */
function shownUrl(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//");
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a1-\uffff]/g, "?");
}

function nowUs(): number {
  return Date.now() * 1_000;
}

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}

import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { connectAsync } from "mqtt";
import { stringify } from "yaml";
import { reasonOf } from "../../../domain/reason.ts";
import { PRESET_NAMES, readPreset } from "../../../ingest/presets/presets.ts";
import { suggestSources } from "../../../ingest/trials/suggest.ts";
import { type TriedMessage, tryMessage } from "../../../ingest/trials/trial.ts";
import { letterAt, pageOfLetters } from "../../../platform/dead-letter-log.ts";
import { readPipelineConfig } from "../../settings/pipeline-config.ts";
import { UsageError } from "../common/failures.ts";
import { type ReachFlags, reachingGateway, withLog } from "../common/running-gateway.ts";
import { trialLines } from "./trial-lines.ts";

const LETTERS_MAX = 500;
const LISTENED_MAX = 5_000;
const LISTEN_SECONDS_MAX = 3_600;

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
    .option("--listen <seconds>", "listen to all topics of a broker for this long, instead of reading dead letters")
    .option("--broker <url>", "the broker to listen to", "mqtt://127.0.0.1:1883")
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
  const { sources } = readPipelineConfig(flags.config);
  write(trialLines(message, sources).join("\n"));
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
  const { sources } = readPipelineConfig(flags.config);
  const unread = messages.filter((message) =>
    sources.every((source) => tryMessage(source, message).kind === "other-topic"),
  );
  if (unread.length === 0) return write("a source reads each of these topics: there is nothing to suggest");
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
async function heard({ listen = "", broker = "" }: Flags): Promise<TriedMessage[]> {
  const seconds = Number(listen);
  if (!(seconds > 0 && seconds <= LISTEN_SECONDS_MAX)) {
    throw new UsageError(`--listen ${listen} is not a number of seconds up to ${LISTEN_SECONDS_MAX}`);
  }
  const messages: TriedMessage[] = [];
  const client = await connectAsync(broker, { connectTimeout: 5_000, reconnectPeriod: 0 }).catch((error: unknown) => {
    throw new UsageError(`the broker ${broker} cannot be reached: ${reasonOf(error)}`);
  });
  client.on("message", (topic, payload) => {
    if (messages.length < LISTENED_MAX) messages.push({ topic, payload, receivedAtUs: nowUs() });
  });
  await client.subscribeAsync("#");
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  await client.endAsync(true);
  return messages;
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

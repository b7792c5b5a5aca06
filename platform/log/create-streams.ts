import type { JetStreamManager } from "@nats-io/jetstream";
import type { Logger } from "pino";
import type { StreamName } from "../../domain/subjects.ts";
import { UserError } from "../../domain/user-error.ts";
import { sleep } from "../async/sleep.ts";
import { leastOf } from "./disk-shares.ts";
import { infoOf, type ProbedStream } from "./probe.ts";
import { sizeText } from "./stream-texts.ts";
import { errorCode, INSUFFICIENT_STORAGE, STREAM_NAME_IN_USE, type WantedConfig } from "./streams.ts";

/** Each attempt asks for this share of the one before. */
const SMALLER = 0.8;
/** Another gateway that starts now may still be shrinking the streams that it created. */
const OTHERS_WAITS_MAX = 50;
const OTHERS_WAIT_MS = 200;

/** The server refuses even the smallest log. Retrying helps only once it has more space. */
export class NoRoomError extends UserError {
  override readonly name = "NoRoomError";
}

/**
 * Creates the streams that do not exist. Never changes an existing one: the server's owner decides about its
 * settings. If the server has too little space (it reserves max_bytes of each stream), all new streams shrink
 * together until they fit. Resolves to the streams that existed before. Throws NoRoomError.
 */
export async function createMissingStreams(
  jsm: JetStreamManager,
  wanted: readonly WantedConfig[],
  logger: Logger,
): Promise<ReadonlyMap<StreamName, ProbedStream>> {
  const existing = await existingStreams(jsm, wanted);
  const missing = wanted.filter(({ name }) => !existing.has(name));
  const created = new Set<StreamName>();
  let waits = 0;
  for (let share = 1; ; share *= SMALLER) {
    const configs = missing.map((config) => ({ ...config, max_bytes: shareOf(config, share) }));
    try {
      for (const config of configs) await createOrShrink(jsm, config, created);
      if (share < 1) logger.warn(`NATS has less room than weir.yaml asks for: ${sharesText(configs, missing)}`);
      return existing;
    } catch (error) {
      if (errorCode(error) !== INSUFFICIENT_STORAGE) throw error;
      const isLeast = configs.every(
        ({ name, max_bytes }, i) => max_bytes === shareOf(missing[i] ?? { name, max_bytes }, 0),
      );
      if (!isLeast) continue;
      if (waits < OTHERS_WAITS_MAX && (await areSomeOfOthers(jsm, missing, created))) {
        waits++;
        await sleep(OTHERS_WAIT_MS);
        continue;
      }
      throw new NoRoomError(
        `NATS has no room for the log: it needs at least ${sizeText(sumOf(configs))} of file storage for ${configs.map(({ name }) => name).join(", ")}. Free disk space on the server, or raise its max_file_store or the account's limit.`,
        { cause: error },
      );
    }
  }
}

/** `the log keeps 150 MiB (readings 90 MiB, ...) instead of 16.8 GiB; see log: in weir.yaml`. */
export function sharesText(
  given: readonly Pick<WantedConfig, "name" | "max_bytes">[],
  wanted: readonly Pick<WantedConfig, "max_bytes">[],
): string {
  const each = given.map(({ name, max_bytes }) => `${name.toLowerCase()} ${sizeText(max_bytes)}`);
  return `the log keeps ${sizeText(sumOf(given))} (${each.join(", ")}) instead of ${sizeText(sumOf(wanted))}; see log: in weir.yaml`;
}

export async function existingStreams(
  jsm: JetStreamManager,
  wanted: readonly WantedConfig[],
): Promise<ReadonlyMap<StreamName, ProbedStream>> {
  const found = new Map<StreamName, ProbedStream>();
  for (const { name } of wanted) {
    const info = await infoOf(jsm, name);
    if (info !== undefined) found.set(name, info);
  }
  return found;
}

/** Whether another gateway has created some of the streams that were missing. */
async function areSomeOfOthers(
  jsm: JetStreamManager,
  missing: readonly WantedConfig[],
  created: ReadonlySet<StreamName>,
): Promise<boolean> {
  const present = await existingStreams(jsm, missing);
  return [...present.keys()].some((name) => !created.has(name));
}

/** `created` are the streams of this start. Only these may shrink, and never below their content. */
async function createOrShrink(jsm: JetStreamManager, config: WantedConfig, created: Set<StreamName>): Promise<void> {
  if (!created.has(config.name)) {
    try {
      await jsm.streams.add(config);
      created.add(config.name);
    } catch (error) {
      // Another gateway was faster, with other settings.
      if (errorCode(error) !== STREAM_NAME_IN_USE) throw error;
    }
    return;
  }
  const info = await infoOf(jsm, config.name);
  if (info === undefined || info.config.max_bytes <= config.max_bytes || info.state.bytes > config.max_bytes) return;
  await jsm.streams.update(config.name, { max_bytes: config.max_bytes });
}

function shareOf({ name, max_bytes }: Pick<WantedConfig, "name" | "max_bytes">, share: number): number {
  if (max_bytes <= 0) return max_bytes;
  return Math.max(Math.floor(max_bytes * share), leastOf({ name, wantedBytes: max_bytes }));
}

function sumOf(streams: readonly Pick<WantedConfig, "max_bytes">[]): number {
  return streams.reduce((sum, { max_bytes }) => sum + max_bytes, 0);
}

import { JetStreamApiError, type JetStreamManager } from "@nats-io/jetstream";
import type { Logger } from "pino";
import { reasonOf } from "../../domain/reason.ts";
import type { StreamName } from "../../domain/subjects.ts";
import { UserError } from "../../domain/user-error.ts";
import { createMissingStreams, existingStreams, sharesText } from "./create-streams.ts";
import { type Division, divideDisk } from "./disk-shares.ts";
import { instantUs } from "./jetstream-stores.ts";
import type { ProbedStream } from "./probe.ts";
import { differencesText, holdsText, sizeText } from "./stream-texts.ts";
import { differencesOf, type WantedConfig } from "./streams.ts";

const NS_PER_US = 1_000;

/** The disk has no space for the log. Retrying helps only once it has more. */
export class DiskTooSmallError extends UserError {
  override readonly name = "DiskTooSmallError";
}

interface Alignment {
  readonly jsm: JetStreamManager;
  readonly wanted: readonly WantedConfig[];
  /** Of the disk that holds the server's store. */
  readonly freeBytes: number;
  readonly nowUs: number;
  readonly logger: Logger;
}

/**
 * Brings the streams to the settings of weir.yaml, in sizes that fit the disk. For a server that only this gateway
 * uses. Never deletes a message: a limit that would delete some stays unchanged, with a warning. Throws
 * DiskTooSmallError.
 */
export async function alignStreams({ jsm, wanted, freeBytes, nowUs, logger }: Alignment): Promise<void> {
  const existing = await existingStreams(jsm, wanted);
  const fitting = fitToDisk({ wanted, existing, freeBytes, logger });
  const targets = fitting.flatMap((config) => {
    const stream = existing.get(config.name);
    return stream === undefined ? [] : [{ stream, config }];
  });
  const [grown, others] = [true, false].map((grows) =>
    targets.filter(({ stream, config }) => grows === config.max_bytes > stream.config.max_bytes),
  );
  // Streams that shrink free space for the rest, on a server that reserves it.
  for (const target of others ?? []) await align({ jsm, ...target, nowUs, logger });
  await createMissingStreams(jsm, fitting, logger);
  for (const target of grown ?? []) await align({ jsm, ...target, nowUs, logger });
}

/** The wanted settings with sizes that fit the disk. Logs smaller ones. Throws DiskTooSmallError. */
export function fitToDisk(options: {
  readonly wanted: readonly WantedConfig[];
  readonly existing: ReadonlyMap<StreamName, ProbedStream>;
  readonly freeBytes: number;
  readonly logger: Logger;
}): readonly WantedConfig[] {
  const { wanted, existing, freeBytes, logger } = options;
  const sizes = sizesOf(divide(wanted, existing, freeBytes), freeBytes);
  const fitting = wanted.map((config) => ({ ...config, max_bytes: sizes.get(config.name) ?? config.max_bytes }));
  if (fitting.some(({ max_bytes }, i) => max_bytes < (wanted[i]?.max_bytes ?? 0))) {
    logger.warn(`this disk has ${sizeText(freeBytes)} free: ${sharesText(fitting, wanted)}`);
  }
  return fitting;
}

function divide(
  wanted: readonly WantedConfig[],
  existing: ReadonlyMap<StreamName, ProbedStream>,
  freeBytes: number,
): Division {
  const demands = wanted.map(({ name, max_bytes }) => {
    const { config, state } = existing.get(name) ?? {};
    const givenBytes = config && (config.max_bytes > 0 ? config.max_bytes : Number.POSITIVE_INFINITY);
    return { name, wantedBytes: max_bytes, givenBytes, heldBytes: state?.bytes ?? 0 };
  });
  return divideDisk(demands, freeBytes);
}

function sizesOf(division: Division, freeBytes: number): ReadonlyMap<StreamName, number> {
  if (division.state !== "too-small") return division.sizes;
  throw new DiskTooSmallError(
    `the disk of the data folder has ${sizeText(freeBytes)} free, and the log needs ${sizeText(division.neededBytes)}: free some space, or give a folder on a larger disk with --data-dir (WEIR_DATA_DIR)`,
  );
}

interface Target {
  readonly jsm: JetStreamManager;
  readonly stream: ProbedStream;
  readonly config: WantedConfig;
  readonly nowUs: number;
  readonly logger: Logger;
}

async function align({ jsm, stream, config, nowUs, logger }: Target): Promise<void> {
  const given = stream.config;
  const deletes = limitsThatDelete(stream, config, nowUs);
  if (deletes.length > 0) {
    const kept = differencesOf(config, given).filter(({ key }) => deletes.some((each) => each === key));
    logger.warn(
      `stream ${config.name} stays at ${differencesText(kept)}: ${holdsText(stream)}; to delete the oldest: weir log apply`,
    );
  }
  const kept = Object.fromEntries(deletes.map((key) => [key, given[key]]));
  await changeStream({ jsm, stream, config: { ...config, ...kept }, logger });
}

/** The limits that would delete messages of this stream. */
export function limitsThatDelete(
  { config: given, state }: ProbedStream,
  { max_age, max_bytes }: Pick<WantedConfig, "max_age" | "max_bytes">,
  nowUs: number,
): readonly ("max_age" | "max_bytes")[] {
  if (state.messages === 0) return [];
  const tooOld = max_age > 0 && max_age !== given.max_age && nowUs - instantUs(state.first_ts) > max_age / NS_PER_US;
  const tooLarge = max_bytes > 0 && max_bytes !== given.max_bytes && state.bytes > max_bytes;
  return [...(tooOld ? (["max_age"] as const) : []), ...(tooLarge ? (["max_bytes"] as const) : [])];
}

/** Changes the settings that differ, and logs them. If the server refuses, it only warns: the stream still works. */
export async function changeStream(target: Omit<Target, "nowUs">): Promise<boolean> {
  const { jsm, stream, config, logger } = target;
  const { storage, ...changed } = { ...config, storage: stream.config.storage };
  const differences = differencesOf({ ...config, storage }, stream.config);
  if (differences.length === 0) return true;
  try {
    await jsm.streams.update(config.name, changed);
  } catch (error) {
    if (!(error instanceof JetStreamApiError)) throw error;
    logger.warn(`stream ${config.name} stays unchanged: NATS refused the change: ${reasonOf(error)}`);
    return false;
  }
  const from = differences.map(({ key, given, wanted }) => ({ key, given: wanted, wanted: given }));
  logger.info(`stream ${config.name} now has ${differencesText(from)}`);
  return true;
}

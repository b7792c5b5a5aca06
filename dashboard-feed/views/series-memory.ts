import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { z } from "zod";
import type { Tags } from "../../domain/reading.ts";
import type { Blobs } from "../../platform/log/port.ts";

const BLOB = "feed-series";
const SAVE_EVERY_MS = 300_000;
/** As rules by default (`forget_after`): a series that was silent for longer is forgotten, also at the next start. */
export const REMEMBERED_US = 30 * 86_400_000_000;
const STOP_MS_MAX = 3_000;
const SERIES_PER_PIECE = 2_000;
/** A larger blob is not one that a feed wrote. */
const BYTES_MAX = 512 * 1_048_576;

const rememberedSchema = z.object({
  device: z.string(),
  metric: z.string(),
  tags: z.record(z.string(), z.string()),
  atUs: z.number(),
  value: z.union([z.number(), z.boolean(), z.string()]),
  seenUs: z.number(),
  everyUs: z.number().optional(),
});

/** The newest reading of a series, with its receive time and its rhythm. */
export interface RememberedSeries {
  readonly device: string;
  readonly metric: string;
  readonly tags: Tags;
  readonly atUs: number;
  readonly value: number | boolean | string;
  readonly seenUs: number;
  /** Undefined if the series has no rhythm, or it is not known. */
  readonly everyUs?: number | undefined;
}

interface SeriesSource {
  /** Grows with each reading; 0 while the series are not known. */
  readonly changes: () => number;
  readonly series: () => Iterable<RememberedSeries>;
}

/**
 * A device that stopped sending may be further back in the log than a feed reads at its start, or behind the log's
 * retention. It must not vanish: a page would then say that everything sends. So a blob holds the newest reading of
 * each series.
 */
export class SeriesMemory {
  readonly #blobs: Blobs;
  readonly #nowUs: () => number;
  readonly #onFailed: (error: unknown) => void;
  #saving: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #changes = 0;

  constructor(options: {
    readonly blobs: Blobs;
    readonly nowUs: () => number;
    readonly onFailed: (error: unknown) => void;
  }) {
    this.#blobs = options.blobs;
    this.#nowUs = options.nowUs;
    this.#onFailed = options.onFailed;
  }

  /** Empty if there is nothing to read, or it cannot be read. */
  async recall(): Promise<readonly RememberedSeries[]> {
    try {
      const packed = await this.#blobs.get(BLOB);
      if (packed === undefined) return [];
      const text = (await promisify(gunzip)(packed, { maxOutputLength: BYTES_MAX })).toString("utf8");
      const lines = text.split("\n").filter((line) => line !== "");
      const sinceUs = this.#nowUs() - REMEMBERED_US;
      return lines
        .flatMap((line) => z.array(rememberedSchema).parse(JSON.parse(line)))
        .filter(({ seenUs }) => seenUs > sinceUs);
    } catch (error) {
      this.#onFailed(error);
      return [];
    }
  }

  /** Saves from time to time. */
  start(source: SeriesSource): void {
    this.#timer = setInterval(() => void this.#save(source), SAVE_EVERY_MS);
    this.#timer.unref();
  }

  /** Saves once more, unless the log does not answer. */
  async stop(source: SeriesSource): Promise<void> {
    clearInterval(this.#timer);
    let patience: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      patience = setTimeout(resolve, STOP_MS_MAX);
    });
    await Promise.race([this.#save(source), tooLong]);
    clearTimeout(patience);
  }

  /** Several feeds save the same series. The last one wins. */
  async #save(source: SeriesSource): Promise<void> {
    await this.#saving;
    const changes = source.changes();
    if (changes === this.#changes) return;
    this.#saving = this.#write(source.series()).then(() => {
      this.#changes = changes;
    }, this.#onFailed);
    await this.#saving;
  }

  async #write(series: Iterable<RememberedSeries>): Promise<void> {
    const pieces: Uint8Array[] = [];
    let piece: RememberedSeries[] = [];
    const pack = async () => {
      // Several gzip members in a row are one gzip file. The event loop turns between them.
      pieces.push(await promisify(gzip)(`${JSON.stringify(piece)}\n`));
      piece = [];
    };
    for (const one of series) {
      piece.push(one);
      if (piece.length >= SERIES_PER_PIECE) await pack();
    }
    if (piece.length > 0) await pack();
    if (pieces.length > 0) await this.#blobs.put(BLOB, pieces);
  }
}

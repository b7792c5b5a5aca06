import { open } from "node:fs/promises";
import type { Logger } from "pino";

const LOOK_EVERY_MS = 1_000;
/** With less, a write of the server may have failed. */
const FULL_BYTES = 4 * 1_048_576;
/** Enough for the server to start and to store what waits. */
const ROOM_BYTES = 16 * 1_048_576;
const LOG_BYTES_READ_MAX = 256 * 1_024;
const NO_SPACE = "no space left on device";

interface FullDiskOptions {
  readonly freeBytes: () => Promise<number>;
  /** The server's own log. */
  readonly logPath: string;
  readonly restart: () => Promise<void>;
  readonly logger: Logger;
}

/**
 * After a failed write, nats-server refuses all further ones of that stream, even when the disk has room again: only
 * a restart helps. So this restarts it, once there is room.
 */
export class FullDiskWatch {
  readonly #options: FullDiskOptions;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #wasFull = false;
  /** Up to here, the server's log is read. */
  #logAt = 0;

  constructor(options: FullDiskOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.skipLog();
    if (!this.#stopped) this.#lookLater();
  }

  /** Skips what the log says about earlier runs. */
  async skipLog(): Promise<void> {
    await this.#newLogText();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async look(): Promise<void> {
    const { freeBytes, restart, logger } = this.#options;
    const free = await freeBytes();
    const failed = (await this.#newLogText()).includes(NO_SPACE);
    if ((free < FULL_BYTES || failed) && !this.#wasFull) {
      this.#wasFull = true;
      if (free < ROOM_BYTES) {
        logger.error("the disk of the data folder is full: NATS stores nothing until it has room, and then restarts");
      }
    }
    if (!this.#wasFull || free < ROOM_BYTES || this.#stopped) return;
    logger.warn("the disk has room again after it was full: restarting nats-server, which would refuse to store");
    await restart();
    this.#wasFull = false;
    // The server's last words about the full disk.
    await this.#newLogText();
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => {
      const looked = this.look().catch((err: unknown) => {
        this.#options.logger.error({ err }, "could not see whether the disk of the data folder is full");
      });
      void looked.then(() => {
        if (!this.#stopped) this.#lookLater();
      });
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }

  async #newLogText(): Promise<string> {
    const file = await open(this.#options.logPath, "r").catch(() => undefined);
    if (file === undefined) return "";
    try {
      const { size } = await file.stat();
      // It has started a new file.
      if (size < this.#logAt) this.#logAt = 0;
      const from = Math.max(this.#logAt, size - LOG_BYTES_READ_MAX);
      this.#logAt = size;
      const buffer = Buffer.alloc(size - from);
      await file.read(buffer, 0, buffer.length, from);
      return buffer.toString("latin1");
    } finally {
      await file.close();
    }
  }
}

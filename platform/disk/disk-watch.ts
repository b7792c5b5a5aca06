import { statfs } from "node:fs/promises";

const LOOK_EVERY_MS = 500;
/** A small disk is not kept empty. */
const RESERVE_BYTES_DEFAULT = 200 * 1_048_576;
const RESERVE_SHARE_DEFAULT = 0.1;
/** Room again means this much more than the reserve, so that it does not come and go with every file. */
const RESUME = 1.25;

export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** The space on a disk, and whether it is short of it. */
export interface DiskState {
  readonly freeBytes: number;
  readonly reserveBytes: number;
  /** Once short, a disk has room again when this much is free. */
  readonly resumeBytes: number;
  readonly isShort: boolean;
}

export interface DiskWatchOptions {
  readonly folder: string;
  /** Default: 200 MiB, or a tenth of the disk if that is less. */
  readonly reserveBytes: number | undefined;
  /** Called with each look. */
  readonly onLook: (state: DiskState) => void;
  /** Called when the disk becomes short of space, and when it has room again. */
  readonly onChange: (state: DiskState) => void;
  readonly spaceOf?: (folder: string) => Promise<DiskSpace>;
}

/** The space on the disk that holds the folder. */
export async function diskSpaceOf(folder: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** Looks at the free space of a disk twice a second. A disk that does not answer keeps its last state. */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #state: DiskState | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  get isShort(): boolean {
    return this.#state?.isShort ?? false;
  }

  /** The state at the last look, if there was one. */
  get state(): DiskState | undefined {
    return this.#state;
  }

  /** Resolves after the first look. */
  async start(): Promise<void> {
    await this.look();
    if (!this.#stopped) this.#lookLater();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async look(): Promise<void> {
    const { folder, reserveBytes: wanted, spaceOf = diskSpaceOf, onLook, onChange } = this.#options;
    const space = await spaceOf(folder).catch(() => undefined);
    if (space === undefined || this.#stopped) return;
    const { freeBytes, totalBytes } = space;
    const reserveBytes = wanted ?? Math.min(RESERVE_BYTES_DEFAULT, Math.floor(totalBytes * RESERVE_SHARE_DEFAULT));
    const resumeBytes = Math.ceil(reserveBytes * RESUME);
    const wasShort = this.isShort;
    const isShort = freeBytes < (wasShort ? resumeBytes : reserveBytes);
    this.#state = { freeBytes, reserveBytes, resumeBytes, isShort };
    onLook(this.#state);
    if (isShort !== wasShort) onChange(this.#state);
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => {
      void this.look().then(() => {
        if (!this.#stopped) this.#lookLater();
      });
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }
}

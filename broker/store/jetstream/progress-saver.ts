import { ConflictError } from "../../../platform/log/port.ts";
import { TakenOverError } from "../port.ts";
import type { NewestWriter } from "./newest-writer.ts";

const SAVE_MS = 50;

export interface ProgressSaverOptions {
  readonly writer: NewestWriter;
  readonly subject: string;
  /** Of the stored progress that this one replaces. */
  readonly sequence: number;
  /** Called when a save begins: the newest state then. */
  readonly encode: () => Uint8Array;
  /** Called once a save is stored, with what `mark` gave when it began. */
  readonly mark: () => () => void;
  /** Another owner has stored its progress. */
  readonly onTaken: () => TakenOverError;
  readonly onFailed: (what: string, error: unknown) => void;
}

/** Saves a session's progress: soon or now, one save at a time, each with all changes so far. */
export class ProgressSaver {
  readonly #options: ProgressSaverOptions;
  #sequence: number;
  #isDirty = false;
  #timer: NodeJS.Timeout | undefined;
  #takenBy: TakenOverError | undefined;
  /** A save that has not begun, and the one under way. */
  #next: Promise<void> | undefined;
  #current: Promise<void> = Promise.resolve();

  constructor(options: ProgressSaverOptions) {
    this.#options = options;
    this.#sequence = options.sequence;
  }

  /** Of the newest stored progress, once `settled`. */
  get sequence(): number {
    return this.#sequence;
  }

  dirty(): void {
    this.#isDirty = true;
  }

  /** Saves changes with those of the next ms. */
  soon(): void {
    this.#isDirty = true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.now().catch((error: unknown) => {
        if (!(error instanceof TakenOverError)) this.#options.onFailed(`saving ${this.#options.subject}`, error);
      });
    }, SAVE_MS);
  }

  /** Resolves once all changes so far are safe; at once when they are. */
  async saved(): Promise<void> {
    if (this.#isDirty) await this.now();
    else await this.#current;
  }

  /** Resolves once all changes so far are safe. Rejects with `TakenOverError` after another owner's save. */
  now(): Promise<void> {
    this.#isDirty = true;
    if (this.#next !== undefined) return this.#next;
    const save = this.#current.catch(() => {}).then(() => this.#save());
    this.#next = save;
    this.#current = save;
    // Each caller handles its own.
    save.catch(() => {});
    return save;
  }

  /** Changes that come later are not saved by time. */
  stopTimer(): void {
    clearTimeout(this.#timer);
  }

  /** No save begins any more. */
  taken(error: TakenOverError): void {
    this.#takenBy = error;
    this.stopTimer();
  }

  /** Resolves once nothing is under way. */
  async settled(): Promise<void> {
    await this.#current.catch(() => {});
  }

  async #save(): Promise<void> {
    const { writer, subject, encode, mark, onTaken } = this.#options;
    let onStored: () => void = () => {};
    try {
      if (this.#takenBy !== undefined) throw this.#takenBy;
      this.#sequence = await writer.write({
        ...{ stream: "MQTT_PROGRESS", subject, expected: () => this.#sequence },
        payload: () => {
          this.#next = undefined;
          this.#isDirty = false;
          onStored = mark();
          return encode();
        },
      });
      onStored();
    } catch (error) {
      this.#next = undefined;
      throw error instanceof ConflictError ? onTaken() : error;
    }
  }
}

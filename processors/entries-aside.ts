import { z } from "zod";
import { encodeDeadLetterWithin } from "../domain/dead-letter-codec.ts";
import { reasonOf } from "../domain/reason.ts";
import { deadLetterSubject } from "../domain/subjects.ts";
import type { Log, LogMessage } from "../platform/log/port.ts";

/** An entry that fails in this many lives of its task is set aside. */
const TRIES = 3;
/** Replays from a saved state meet only the newest ones. */
const ASIDE_MAX = 1_000;

const asideSchema = z.object({
  /** The sequences of the entries that are skipped. */
  aside: z.array(z.int()),
  /** The entry that failed last, and how often. */
  failing: z.object({ sequence: z.int(), times: z.int() }).nullable(),
});
type Aside = z.infer<typeof asideSchema>;

export interface EntriesAsideOptions {
  readonly log: Log;
  readonly task: number;
  readonly onSetAside: (sequence: number, error: unknown) => void;
}

/**
 * Entries of a task's log that it skips, because they cannot be processed: so one bad entry does not stop a partition
 * for good. Each becomes a dead letter. A record holds them, so that every replay skips the same ones.
 */
export class EntriesAside {
  readonly #options: EntriesAsideOptions;
  #state: Aside = { aside: [], failing: null };
  #revision = 0;

  constructor(options: EntriesAsideOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    const record = await this.#options.log.records.get(this.#name);
    if (record === undefined) return;
    this.#revision = record.revision;
    this.#state = asideSchema.parse(JSON.parse(new TextDecoder().decode(record.value)));
  }

  has(sequence: number): boolean {
    return this.#state.aside.includes(sequence);
  }

  /** The entry cannot be read: another try cannot help. */
  async add(message: LogMessage, error: unknown): Promise<void> {
    await this.#setAside(message, error);
  }

  /** Processing the entry threw, and the task is about to start again from its checkpoint. */
  async failed(message: LogMessage, error: unknown): Promise<void> {
    const { failing } = this.#state;
    const times = failing?.sequence === message.sequence ? failing.times + 1 : 1;
    if (times >= TRIES) await this.#setAside(message, error);
    else await this.#save({ ...this.#state, failing: { sequence: message.sequence, times } });
  }

  async #setAside(message: LogMessage, error: unknown): Promise<void> {
    const { log, onSetAside } = this.#options;
    const { subject, sequence, payload, storedAtUs } = message;
    const reason = "bad-entry";
    const detail = `entry ${sequence} of the log cannot be processed: ${reasonOf(error)}`;
    const letter = { reason, detail, topic: subject, payload, clientId: "", receivedAtUs: storedAtUs };
    // A letter that is appended twice is better than none.
    await log.append({
      subject: deadLetterSubject(reason),
      payload: encodeDeadLetterWithin(letter, log.payloadBytesMax),
      id: `bad-entry-${subject}-${sequence}`,
    });
    await this.#save({ aside: [...this.#state.aside, sequence].slice(-ASIDE_MAX), failing: null });
    onSetAside(sequence, error);
  }

  async #save(state: Aside): Promise<void> {
    const value = new TextEncoder().encode(JSON.stringify(state));
    this.#revision = await this.#options.log.records.set(this.#name, value, this.#revision);
    this.#state = state;
  }

  get #name(): string {
    return `aside.${this.#options.task}`;
  }
}

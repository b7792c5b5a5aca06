import type { Append, Appended, LogMessage, ReadFrom, StreamBounds } from "./port.ts";
import { ConflictError } from "./port.ts";
import { anyMatches } from "./subject-match.ts";

/** JetStream's default. */
const DUPLICATE_WINDOW_US = 120_000_000;

/** The messages of one stream, oldest first, undefined where one was purged: index = sequence - first sequence. */
export class MemoryStream {
  readonly #messages: (LogMessage | undefined)[] = [];
  #purged = 0;
  readonly #newest = new Map<string, number>();
  readonly #ids = new Map<string, { readonly sequence: number; readonly atUs: number }>();
  readonly #watchers = new Set<() => void>();
  readonly #messagesMax: number;
  #first = 1;
  #last = 0;
  #bytes = 0;
  #lastAtUs = 0;

  constructor(messagesMax: number) {
    this.#messagesMax = messagesMax;
  }

  append(message: Append, nowUs: number): Appended {
    const atUs = Math.max(Math.floor(nowUs), this.#lastAtUs);
    this.#forgetIds(atUs);
    const earlier = message.id === undefined ? undefined : this.#ids.get(message.id);
    if (earlier !== undefined) return { sequence: earlier.sequence, duplicate: true };

    const newest = this.#newestSequence(message.subject);
    const expected = message.expectLastSubjectSequence;
    if (expected !== undefined && expected !== newest) {
      throw new ConflictError(`${message.subject} is at sequence ${newest}, not ${expected}`);
    }
    const sequence = ++this.#last;
    // A copy: the caller may reuse its buffer.
    const payload = new Uint8Array(message.payload);
    this.#messages.push({ subject: message.subject, sequence, storedAtUs: atUs, payload });
    this.#newest.set(message.subject, sequence);
    this.#bytes += payload.length;
    this.#lastAtUs = atUs;
    if (message.id !== undefined) this.#ids.set(message.id, { sequence, atUs });
    this.#discardOld();
    for (const watcher of this.#watchers) watcher();
    return { sequence, duplicate: false };
  }

  /** Up to `limit` matching messages from a sequence on, and the sequence to continue from. */
  slice(from: number, limit: number, subjects: readonly string[] | undefined): { batch: LogMessage[]; next: number } {
    const batch: LogMessage[] = [];
    let next = Math.max(from, this.#first);
    for (; next <= this.#last && batch.length < limit; next++) {
      const message = this.#at(next);
      if (message !== undefined && anyMatches(subjects, message.subject)) batch.push(message);
    }
    return { batch, next };
  }

  /** Where reading begins. `ahead` are messages to give before `next`. */
  start(from: ReadFrom, subjects: readonly string[] | undefined): { ahead: LogMessage[]; next: number } {
    switch (from.kind) {
      case "first":
        return { ahead: [], next: this.#first };
      case "new":
        return { ahead: [], next: this.#last + 1 };
      case "sequence":
        return { ahead: [], next: from.sequence };
      case "time": {
        const place = this.#messages.findIndex((message) => message !== undefined && message.storedAtUs >= from.atUs);
        return { ahead: [], next: place < 0 ? this.#last + 1 : this.#first + place };
      }
      case "last-per-subject":
        return { ahead: this.#newestOfEach(subjects), next: this.#last + 1 };
    }
  }

  each(sequences: readonly number[]): LogMessage[] {
    return sequences.flatMap((sequence) => this.#at(sequence) ?? []);
  }

  newestOf(subject: string): LogMessage | undefined {
    return this.#at(this.#newestSequence(subject));
  }

  newest(): LogMessage | undefined {
    return this.#messages.findLast((message) => message !== undefined);
  }

  bounds(): StreamBounds {
    return {
      firstSequence: this.#first,
      lastSequence: this.#last,
      messages: this.#messages.length - this.#purged,
      bytes: this.#bytes,
      firstAtUs: this.#messages[0]?.storedAtUs ?? 0,
      lastAtUs: this.#lastAtUs,
    };
  }

  countBySubject(pattern: string): Map<string, number> {
    const counts = new Map<string, number>();
    for (const message of this.#messages) {
      if (message === undefined || !anyMatches([pattern], message.subject)) continue;
      counts.set(message.subject, (counts.get(message.subject) ?? 0) + 1);
    }
    return counts;
  }

  purge(pattern: string, beforeSequence: number): void {
    for (let i = 0; i < this.#messages.length && this.#first + i < beforeSequence; i++) {
      const message = this.#messages[i];
      if (message === undefined || !anyMatches([pattern], message.subject)) continue;
      this.#delete(i, message);
      if (this.#newest.get(message.subject) === message.sequence) this.#newest.delete(message.subject);
    }
    this.#forgetGone();
  }

  remove(sequence: number): void {
    const message = this.#at(sequence);
    if (message === undefined) return;
    this.#delete(sequence - this.#first, message);
    if (this.#newest.get(message.subject) === sequence) {
      const before = this.#messages.findLast((each) => each?.subject === message.subject);
      if (before === undefined) this.#newest.delete(message.subject);
      else this.#newest.set(message.subject, before.sequence);
    }
    this.#forgetGone();
  }

  #delete(index: number, { payload }: LogMessage): void {
    this.#messages[index] = undefined;
    this.#purged++;
    this.#bytes -= payload.length;
  }

  #forgetGone(): void {
    let gone = 0;
    while (gone < this.#messages.length && this.#messages[gone] === undefined) gone++;
    this.#forgetFirst(gone);
  }

  /** Calls after each append. Returns a function that stops it. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #at(sequence: number): LogMessage | undefined {
    return this.#messages[sequence - this.#first];
  }

  #newestSequence(subject: string): number {
    const sequence = this.#newest.get(subject) ?? 0;
    return sequence >= this.#first ? sequence : 0;
  }

  #newestOfEach(subjects: readonly string[] | undefined): LogMessage[] {
    const found: LogMessage[] = [];
    for (const [subject, sequence] of this.#newest) {
      const message = anyMatches(subjects, subject) ? this.#at(sequence) : undefined;
      if (message !== undefined) found.push(message);
    }
    return found.sort((a, b) => a.sequence - b.sequence);
  }

  #discardOld(): void {
    // In batches, because moving the rest of a long array for each message is slow.
    const slack = Math.min(1000, Math.floor(this.#messagesMax / 4));
    if (this.#messages.length <= this.#messagesMax + slack) return;
    this.#forgetFirst(this.#messages.length - this.#messagesMax);
  }

  #forgetFirst(count: number): void {
    for (const message of this.#messages.splice(0, count)) {
      if (message === undefined) this.#purged--;
      else this.#bytes -= message.payload.length;
    }
    this.#first += count;
  }

  #forgetIds(nowUs: number): void {
    for (const [id, { atUs }] of this.#ids) {
      if (atUs > nowUs - DUPLICATE_WINDOW_US) return;
      this.#ids.delete(id);
    }
  }
}

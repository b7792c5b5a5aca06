import { windowsSubject } from "../domain/subjects.ts";
import type { SharedResult } from "../domain/window-result.ts";
import { countRows, decodeWindows, encodeWindows } from "../domain/windows-codec.ts";
import type { Log } from "../platform/log/port.ts";
import { Pump } from "./pump.ts";
import { TimeSlice } from "./time-slice.ts";

interface PublisherOptions {
  readonly log: Log;
  /** The partition, or P + the share. */
  readonly task: number;
  readonly resultsPerFrameMax: number;
  readonly onPublished: (results: number) => void;
}

/** Results of consecutive inputs, sent together. */
interface Bundle {
  readonly firstInput: number;
  lastInput: number;
  readonly results: SharedResult[];
  /** The number of results that an earlier life has published. */
  readonly rowsDone: number;
}

interface Frame {
  readonly payload: Uint8Array;
  readonly rows: number;
}

/** Bundles that are sent together. */
const BUNDLES_MAX = 32;

/**
 * Publishes each window result of a task exactly once. Each frame is appended only behind the one before it
 * (compare-and-set on the subject). So the log itself says which results it has, and a replay does not publish them
 * again.
 */
export class WindowsPublisher {
  readonly #options: PublisherOptions;
  readonly #queue: Bundle[] = [];
  readonly #pump = new Pump(() => this.#sendLot());
  /** The results of inputs up to here are published in full. */
  #publishedInput = 0;
  #subjectSequence = 0;
  /** A bundle whose first parts alone were published. Once it is whole again, it is sent before the queue. */
  #cut: Bundle | undefined;
  /** Results that wait until the cut bundle is whole. */
  #held = 0;

  private constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Reads which results the log has. */
  static async open(options: PublisherOptions): Promise<WindowsPublisher> {
    const publisher = new WindowsPublisher(options);
    const last = await options.log.lastFor("WINDOWS", windowsSubject(options.task));
    if (last === undefined) return publisher;
    publisher.#subjectSequence = last.sequence;
    const { firstInput, lastInput, part, parts } = decodeWindows(last.payload);
    if (part + 1 === parts) publisher.#publishedInput = lastInput;
    else {
      publisher.#publishedInput = firstInput - 1;
      publisher.#cut = { firstInput, lastInput, results: [], rowsDone: (part + 1) * countRows(last.payload) };
    }
    return publisher;
  }

  /** Results that wait to be published. */
  get waiting(): number {
    return this.#pump.waiting + this.#held;
  }

  /** Whether a frame that was cut short still waits until its inputs are read again. */
  get completing(): boolean {
    return this.#cut !== undefined;
  }

  /** Takes the results of one input. Call it for every input, in order, even without results. */
  push(input: number, results: readonly SharedResult[]): void {
    if (input <= this.#publishedInput) return;
    const cut = this.#cut;
    if (cut !== undefined && input <= cut.lastInput) addAll(cut.results, results);
    else if (results.length > 0) this.#enqueue(input, results);
    this.#held += results.length;
    if (cut !== undefined && input >= cut.lastInput) {
      this.#cut = undefined;
      if (cut.results.length > 0) this.#queue.unshift(cut);
    }
    if (this.#cut !== undefined) return;
    this.#pump.take(this.#held);
    this.#held = 0;
  }

  /** Resolves when everything pushed so far is in the log; rejects when publishing failed. */
  async drain(): Promise<void> {
    await this.#pump.drain();
  }

  #enqueue(input: number, results: readonly SharedResult[]): void {
    const last = this.#queue.at(-1);
    if (last !== undefined && last.results.length + results.length <= this.#options.resultsPerFrameMax) {
      last.lastInput = input;
      addAll(last.results, results);
    } else this.#queue.push({ firstInput: input, lastInput: input, results: [...results], rowsDone: 0 });
  }

  async #sendLot(): Promise<number> {
    const { log, task, onPublished } = this.#options;
    const bundles = this.#queue.splice(0, BUNDLES_MAX);
    const frames: Frame[] = [];
    for (const bundle of bundles) {
      let row = 0;
      for (const frame of await this.#split(bundle)) {
        row += frame.rows;
        if (row > bundle.rowsDone) frames.push(frame);
      }
    }
    const subject = windowsSubject(task);
    const appended = await log.appendAll(
      frames.map(({ payload }) => ({ subject, payload, expectLastSubjectSequence: this.#subjectSequence })),
    );
    this.#subjectSequence = appended.at(-1)?.sequence ?? this.#subjectSequence;
    for (const { rows } of frames) onPublished(rows);
    for (const { lastInput } of bundles) this.#publishedInput = Math.max(this.#publishedInput, lastInput);
    return bundles.reduce((sum, { results }) => sum + results.length, 0);
  }

  /** Equal parts except the last, each small enough for the log. */
  async #split(bundle: Bundle): Promise<readonly Frame[]> {
    const { firstInput, lastInput, results } = bundle;
    const { task, log } = this.#options;
    const slice = new TimeSlice();
    for (let rowsMax = this.#options.resultsPerFrameMax; ; rowsMax = Math.ceil(rowsMax / 2)) {
      const parts = Math.max(1, Math.ceil(results.length / rowsMax));
      const frames: Frame[] = [];
      let fits = true;
      for (let part = 0; part < parts && fits; part++) {
        const rows = results.slice(part * rowsMax, (part + 1) * rowsMax);
        const payload = encodeWindows({ partition: task, firstInput, lastInput, part, parts, results: rows });
        frames.push({ payload, rows: rows.length });
        fits = rowsMax === 1 || payload.length <= log.payloadBytesMax;
        if (slice.over) await slice.rest();
      }
      if (fits) return frames;
    }
  }
}

/** A spread would put them all on the stack: one input may close a hundred thousand windows. */
function addAll<T>(list: T[], more: readonly T[]): void {
  for (const item of more) list.push(item);
}

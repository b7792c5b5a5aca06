import { windowsSubject } from "../domain/subjects.ts";
import type { WindowResult } from "../domain/window-result.ts";
import { decodeWindows, encodeWindows } from "../domain/windows-codec.ts";
import type { Log } from "../platform/log/port.ts";

interface PublisherOptions {
  readonly log: Log;
  readonly partition: number;
  readonly resultsPerFrameMax: number;
  readonly onPublished: (results: number) => void;
}

/** Results of consecutive inputs that go out together. */
interface Group {
  readonly firstInput: number;
  lastInput: number;
  readonly results: WindowResult[];
}

/**
 * Publishes a partition's window results, each exactly once. One frame is in flight at a time, and each is appended
 * only behind the one before it (compare-and-set on the subject), so the log itself says how far the results have come:
 * what a replay computes again is not published again.
 */
export class WindowsPublisher {
  readonly #options: PublisherOptions;
  readonly #queue: Group[] = [];
  #queued = 0;
  /** Inputs up to here are published in full. */
  #publishedInput = 0;
  #subjectSequence = 0;
  /** A frame of which only the first parts were published. */
  #cut: { readonly group: Group; readonly rowsDone: number } | undefined;
  #pump: Promise<void> | undefined;

  private constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Looks up how far the results in the log have come. */
  static async open(options: PublisherOptions): Promise<WindowsPublisher> {
    const publisher = new WindowsPublisher(options);
    const last = await options.log.lastFor("WINDOWS", windowsSubject(options.partition));
    if (last === undefined) return publisher;
    publisher.#subjectSequence = last.sequence;
    const frame = decodeWindows(last.payload);
    if (frame.part + 1 === frame.parts) publisher.#publishedInput = frame.lastInput;
    else {
      publisher.#publishedInput = frame.firstInput - 1;
      publisher.#cut = {
        group: { firstInput: frame.firstInput, lastInput: frame.lastInput, results: [] },
        rowsDone: (frame.part + 1) * frame.results.length,
      };
    }
    return publisher;
  }

  /** Results that wait to be published. */
  get waiting(): number {
    return this.#queued;
  }

  /** Whether a frame that was cut short still waits for its inputs to come again. */
  get mending(): boolean {
    return this.#cut !== undefined;
  }

  /** Takes the results of one input. Call it for every input, in order, also without results. */
  push(input: number, results: readonly WindowResult[]): void {
    if (input <= this.#publishedInput) return;
    const cut = this.#cut;
    if (cut !== undefined && input <= cut.group.lastInput) cut.group.results.push(...results);
    else if (results.length > 0) this.#enqueue(input, results);
    if (cut !== undefined && input >= cut.group.lastInput) {
      this.#cut = undefined;
      this.#start(() => this.#send(cut.group, cut.rowsDone));
    }
  }

  /** Resolves when everything pushed so far is in the log; rejects when publishing failed. */
  async drain(): Promise<void> {
    while (this.#pump !== undefined) await this.#pump;
  }

  #enqueue(input: number, results: readonly WindowResult[]): void {
    const last = this.#queue.at(-1);
    if (last !== undefined && last.results.length + results.length <= this.#options.resultsPerFrameMax) {
      last.lastInput = input;
      last.results.push(...results);
    } else this.#queue.push({ firstInput: input, lastInput: input, results: [...results] });
    this.#queued += results.length;
    if (this.#cut === undefined) this.#start(async () => {});
  }

  #start(first: () => Promise<void>): void {
    if (this.#pump !== undefined) return;
    const pump = (async () => {
      await first();
      for (let group = this.#queue.shift(); group !== undefined; group = this.#queue.shift()) {
        this.#queued -= group.results.length;
        await this.#send(group, 0);
      }
      this.#pump = undefined;
    })();
    this.#pump = pump;
    // Whoever drains hears of a failure; until then it must not count as unhandled.
    pump.catch(() => {});
  }

  async #send(group: Group, rowsDone: number): Promise<void> {
    const { log, partition } = this.#options;
    const frames = this.#split(group);
    let row = 0;
    for (const { payload, rows } of frames) {
      row += rows;
      if (row <= rowsDone) continue;
      const { sequence } = await log.append({
        subject: windowsSubject(partition),
        payload,
        expectLastSubjectSequence: this.#subjectSequence,
      });
      this.#subjectSequence = sequence;
      this.#options.onPublished(rows);
    }
    this.#publishedInput = group.lastInput;
  }

  /** Equal parts but for the last, each small enough for the log. */
  #split(group: Group): { readonly payload: Uint8Array; readonly rows: number }[] {
    const { firstInput, lastInput, results } = group;
    const { partition, log } = this.#options;
    for (let rowsMax = this.#options.resultsPerFrameMax; ; rowsMax = Math.ceil(rowsMax / 2)) {
      const parts = Math.max(1, Math.ceil(results.length / rowsMax));
      const frames = Array.from({ length: parts }, (_, part) => {
        const rows = results.slice(part * rowsMax, (part + 1) * rowsMax);
        const payload = encodeWindows({ partition, firstInput, lastInput, part, parts, results: rows });
        return { payload, rows: rows.length };
      });
      if (rowsMax === 1 || frames.every(({ payload }) => payload.length <= log.payloadBytesMax)) return frames;
    }
  }
}

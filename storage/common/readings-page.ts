import type { NextPage, ReadingsPage, ReadingsQuery } from "../../contracts/history.ts";
import { type FrameSeries, FrameWriter } from "../../domain/frame-writer.ts";
import type { ReadingValue } from "../../domain/reading.ts";

/** Puts stored readings, which come by time, into a page until it is full, and says where the next one begins. */
export class PageWriter {
  readonly #query: ReadingsQuery;
  readonly #frame = new FrameWriter();
  #atUs: number;
  /** Readings at `#atUs` that this page and those before it hold. */
  #atInstant: number;
  #next: NextPage | undefined;

  constructor(query: ReadingsQuery) {
    this.#query = query;
    this.#atUs = query.fromUs;
    this.#atInstant = query.skip;
  }

  /** False when it found no room: nothing after it may be added. A page takes one reading at least. */
  add(series: FrameSeries, atUs: number, value: ReadingValue): boolean {
    const { count, bytes } = this.#frame;
    if (atUs !== this.#atUs) {
      this.#atUs = atUs;
      this.#atInstant = 0;
    }
    if (count === this.#query.limit || (count > 0 && bytes >= this.#query.bytesMax)) {
      this.#next = { fromUs: this.#atUs, skip: this.#atInstant };
      return false;
    }
    this.#frame.addTo(series, atUs, value);
    this.#atInstant++;
    return true;
  }

  /** `rest`: where readings begin that were not looked at. */
  finish(rest?: NextPage): ReadingsPage {
    const { count } = this.#frame;
    const frame = count > 0 ? this.#frame.finish(this.#atUs) : undefined;
    return { frame, count, next: this.#next ?? rest };
  }
}

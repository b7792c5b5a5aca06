import type { NextPage, ReadingsPage, ReadingsQuery } from "../../contracts/history.ts";
import { type FrameSeries, FrameWriter } from "../../domain/frame-writer.ts";
import type { ReadingValue } from "../../domain/reading.ts";

/** Fills a page with stored readings, added in order of time, and reports where the next page begins. */
export class PageWriter {
  readonly #query: ReadingsQuery;
  readonly #frame = new FrameWriter();
  #atUs: number;
  /** Number of readings at `#atUs` on this page and the pages before it. */
  #atInstant: number;
  #next: NextPage | undefined;

  constructor(query: ReadingsQuery) {
    this.#query = query;
    this.#atUs = query.fromUs;
    this.#atInstant = query.skip;
  }

  /** Returns false when the page is full; add nothing more then. A page holds at least one reading. */
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

  /** `rest`: where the remaining readings begin. */
  finish(rest?: NextPage): ReadingsPage {
    const { count } = this.#frame;
    const frame = count > 0 ? this.#frame.finish(this.#atUs) : undefined;
    return { frame, count, next: this.#next ?? rest };
  }
}

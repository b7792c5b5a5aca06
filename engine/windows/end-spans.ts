/** From one end to another, both included. */
export type EndSpan = readonly [fromUs: number, toUs: number];

/** A set of ends of tumbling windows. Ends in a row take two numbers. */
export class EndSpans {
  readonly #stepUs: number;
  /** Sorted and apart. */
  #spans: EndSpan[];

  constructor(stepUs: number, spans: readonly EndSpan[] = []) {
    this.#stepUs = stepUs;
    this.#spans = [...spans];
  }

  get spans(): readonly EndSpan[] {
    return [...this.#spans];
  }

  /** The earliest end; Infinity if there is none. */
  get firstUs(): number {
    return this.#spans[0]?.[0] ?? Number.POSITIVE_INFINITY;
  }

  has(endUs: number): boolean {
    const span = this.#spans.findLast(([fromUs]) => fromUs <= endUs);
    return span !== undefined && endUs <= span[1];
  }

  add(fromUs: number, toUs: number): void {
    const last = this.#spans.at(-1);
    // Nearly always: the next end.
    if (last !== undefined && fromUs === last[1] + this.#stepUs) {
      this.#spans[this.#spans.length - 1] = [last[0], toUs];
      return;
    }
    const isApart = ([from, to]: EndSpan) => to + this.#stepUs < fromUs || from - this.#stepUs > toUs;
    const joined = this.#spans.filter((span) => !isApart(span));
    const merged: EndSpan = [
      Math.min(fromUs, ...joined.map(([from]) => from)),
      Math.max(toUs, ...joined.map(([, to]) => to)),
    ];
    this.#spans = [...this.#spans.filter(isApart), merged].sort(([a], [b]) => a - b);
  }

  /** The parts of the spans with ends from `fromUs` to `toUs`. */
  within(fromUs: number, toUs: number): EndSpan[] {
    return this.#spans
      .filter(([from, to]) => from <= toUs && to >= fromUs)
      .map(([from, to]) => [Math.max(from, fromUs), Math.min(to, toUs)]);
  }

  ends(): number[] {
    const ends: number[] = [];
    for (const [fromUs, toUs] of this.#spans) for (let end = fromUs; end <= toUs; end += this.#stepUs) ends.push(end);
    return ends;
  }

  clear(): void {
    this.#spans = [];
  }

  /** Drops the ends up to this one, which need not be one of them. */
  forgetTo(us: number): void {
    while ((this.#spans[0]?.[1] ?? Number.POSITIVE_INFINITY) <= us) this.#spans.shift();
    const first = this.#spans[0];
    if (first !== undefined && first[0] <= us)
      this.#spans[0] = [(Math.floor(us / this.#stepUs) + 1) * this.#stepUs, first[1]];
  }
}

import type { Input } from "./input.ts";

const LEDGER = 0;
const FLAGS = 1;
const FIRST = 2;
const END = 3;
const STRIDE = 4;
const UNKNOWN = -1;
const IS_TEXT = 1;
const HAS_SESSIONS = 2;
const HAS_ABSENCES = 4;
const HAS_OTHER_KINDS = 8;
const IS_SELECTED = 16;

/** A key of an input that receives a series' readings. */
export interface Route {
  readonly input: Input;
  readonly key: number;
}

/** The routes of each series' readings. Flat arrays, because each reading looks them up. */
export class SeriesRoutes {
  #series = new Int32Array(0);
  #horizonUs = new Float64Array(0);
  readonly #inputs: Input[] = [];
  readonly #keys: number[] = [];
  /** Unused routes, by how many there are in a row. */
  readonly #free = new Map<number, number[]>();

  /** Whether the routes of the series were set under the rules in force. */
  knows(id: number): boolean {
    return (this.#series[id * STRIDE + FIRST] ?? UNKNOWN) !== UNKNOWN;
  }

  /** Routes `first` to `end - 1` belong to the series. */
  first(id: number): number {
    return this.#series[id * STRIDE + FIRST] as number;
  }

  end(id: number): number {
    return this.#series[id * STRIDE + END] as number;
  }

  input(route: number): Input {
    return this.#inputs[route] as Input;
  }

  key(route: number): number {
    return this.#keys[route] as number;
  }

  /** The index of the device's ledger. */
  ledger(id: number): number {
    return this.#series[id * STRIDE + LEDGER] as number;
  }

  isText(id: number): boolean {
    return ((this.#series[id * STRIDE + FLAGS] as number) & IS_TEXT) !== 0;
  }

  hasSessions(id: number): boolean {
    return ((this.#series[id * STRIDE + FLAGS] as number) & HAS_SESSIONS) !== 0;
  }

  hasAbsences(id: number): boolean {
    return ((this.#series[id * STRIDE + FLAGS] as number) & HAS_ABSENCES) !== 0;
  }

  /** Whether readings of another kind share device, metric and tags with the series. */
  hasOtherKinds(id: number): boolean {
    return ((this.#series[id * STRIDE + FLAGS] as number) & HAS_OTHER_KINDS) !== 0;
  }

  /** Whether a rule selects the series, although it may not read this kind of value. */
  isSelected(id: number): boolean {
    return ((this.#series[id * STRIDE + FLAGS] as number) & IS_SELECTED) !== 0;
  }

  /** How far back the series' times must be remembered, not counting sessions. */
  horizonUs(id: number): number {
    return this.#horizonUs[id] as number;
  }

  /** A session can have any length, and a duplicate of any of its readings must be recognized. */
  sessionHorizonUs(id: number, atUs: number): number {
    let horizonUs = this.horizonUs(id);
    for (let route = this.first(id); route < this.end(id); route++) {
      const oldestUs = this.input(route).sessions?.oldestUs(this.key(route));
      if (oldestUs !== undefined) horizonUs = Math.max(horizonUs, atUs - oldestUs);
    }
    return horizonUs;
  }

  /** The series is as unknown as before its first reading. */
  clear(id: number): void {
    if (!this.knows(id)) return;
    const first = this.first(id);
    const count = this.end(id) - first;
    this.#series.fill(UNKNOWN, id * STRIDE, (id + 1) * STRIDE);
    if (count === 0) return;
    const free = this.#free.get(count);
    if (free === undefined) this.#free.set(count, [first]);
    else free.push(first);
  }

  /** `selecting`: all inputs that select the series, including those that do not read its kind. */
  set(
    id: number,
    routes: readonly Route[],
    about: { readonly isText: boolean; readonly ledger: number; readonly selecting: readonly Input[] },
  ): void {
    this.#reserve(id);
    this.clear(id);
    const o = id * STRIDE;
    this.#series[o + LEDGER] = about.ledger;
    const first = this.#free.get(routes.length)?.pop() ?? this.#inputs.length;
    this.#series[o + FIRST] = first;
    let flags = about.isText ? IS_TEXT : 0;
    for (const [i, { input, key }] of routes.entries()) {
      this.#inputs[first + i] = input;
      this.#keys[first + i] = key;
      if (input.sessions) flags |= HAS_SESSIONS;
      if (input.absences) flags |= HAS_ABSENCES;
    }
    let horizonUs = 0;
    for (const input of about.selecting) {
      flags |= IS_SELECTED;
      const isRead = !input.sessions || routes.some((route) => route.input === input);
      // How far back a session of another kind's readings reaches is not known here.
      horizonUs = Math.max(horizonUs, isRead ? input.spec.horizonUs : Number.POSITIVE_INFINITY);
    }
    this.#series[o + FLAGS] = flags;
    this.#series[o + END] = first + routes.length;
    this.#horizonUs[id] = horizonUs;
  }

  /** Call when another kind of the series appears. */
  addOtherKind(id: number): void {
    if (this.knows(id))
      this.#series[id * STRIDE + FLAGS] = (this.#series[id * STRIDE + FLAGS] as number) | HAS_OTHER_KINDS;
  }

  #reserve(id: number): void {
    if (id < this.#horizonUs.length) return;
    const capacity = Math.max(id + 1, Math.ceil(this.#horizonUs.length * 1.5), 64);
    const series = new Int32Array(capacity * STRIDE).fill(UNKNOWN);
    series.set(this.#series);
    this.#series = series;
    const horizonUs = new Float64Array(capacity);
    horizonUs.set(this.#horizonUs);
    this.#horizonUs = horizonUs;
  }
}

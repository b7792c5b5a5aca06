import type { AlertChange } from "../../domain/alert.ts";
import { at } from "../../domain/at.ts";
import type { WorstValue } from "../rules/worst-value.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

const TITLE_LENGTH_MAX = 500;

/** What each change of an incident says about all of it. */
export interface IncidentFacts {
  readonly worst: number | undefined;
  readonly title: string | undefined;
  readonly firedAtUs: number | undefined;
}

const WORST = 0;
const FIRED_AT = 1;
const STRIDE = 2;

/** The incidents of a rule that are open, by key (docs/windows.md, "Incidents"). */
export class OpenIncidents {
  /** By key: the worst value, NaN for none so far; and when it fired, NaN for not yet, or before incidents were kept. */
  #cells = new Float64Array(0);
  /** By key, of those that have fired. */
  readonly #titles = new Map<number, string>();

  /** Call for each evaluated value of an alert that is active, or becomes active with it. */
  see(key: number, value: number | string, worst: WorstValue | undefined): void {
    if (worst === undefined || typeof value === "string") return;
    const o = this.#at(key) + WORST;
    const known = this.#cells[o] as number;
    if (Number.isNaN(known) || worst.isWorse(value, known)) this.#cells[o] = value;
  }

  /** The facts for a change of the alert. An end forgets the incident. */
  factsAt(key: number, { from, state, atUs, title }: ChangeTexts): IncidentFacts {
    const o = this.#at(key);
    const cells = this.#cells;
    if (state === "firing" && from !== "firing") {
      cells[o + FIRED_AT] = atUs;
      this.#titles.set(key, cut(title));
    }
    const worst = cells[o + WORST] as number;
    const firedAtUs = cells[o + FIRED_AT] as number;
    const hasFired = from === "firing" || state === "firing";
    // Of an incident that an older version began, the summary at its start is unknown.
    const known = hasFired ? this.#titles.get(key) : cut(title);
    if (state === "resolved" || state === "inactive") this.forget(key);
    return {
      worst: Number.isNaN(worst) ? undefined : worst,
      title: known,
      firedAtUs: Number.isNaN(firedAtUs) ? undefined : firedAtUs,
    };
  }

  /** The key's number can be used again. */
  forget(key: number): void {
    const o = key * STRIDE;
    if (o >= this.#cells.length) return;
    this.#cells.fill(Number.NaN, o, o + STRIDE);
    this.#titles.delete(key);
  }

  /** Call when values are no longer comparable with those before. */
  forgetWorst(): void {
    for (let o = WORST; o < this.#cells.length; o += STRIDE) this.#cells[o] = Number.NaN;
  }

  adopt(
    key: number,
    from: OpenIncidents,
    { fromKey, keepsWorst }: { readonly fromKey: number; readonly keepsWorst: boolean },
  ): void {
    const other = fromKey * STRIDE;
    if (other >= from.#cells.length) return;
    const title = from.#titles.get(fromKey);
    this.#set(key, keepsWorst ? at(from.#cells, other + WORST) : Number.NaN, at(from.#cells, other + FIRED_AT), title);
  }

  snapshot(to: SnapshotWriter): void {
    const keys = [...this.#open()];
    to.number(keys.length);
    for (const key of keys) {
      const title = this.#titles.get(key);
      to.number(key);
      to.number(at(this.#cells, key * STRIDE + WORST));
      to.number(at(this.#cells, key * STRIDE + FIRED_AT));
      to.number(title === undefined ? 0 : 1);
      if (title !== undefined) to.text(title);
    }
  }

  restore(from: SnapshotReader): void {
    for (let left = from.number(); left > 0; left--) {
      const key = from.number();
      const worst = from.number();
      const firedAtUs = from.number();
      this.#set(key, worst, firedAtUs, from.number() === 1 ? from.text() : undefined);
    }
  }

  /** The keys about which anything is known. */
  *#open(): Generator<number> {
    for (let o = 0; o < this.#cells.length; o += STRIDE) {
      const isKnown = !Number.isNaN(at(this.#cells, o + WORST)) || !Number.isNaN(at(this.#cells, o + FIRED_AT));
      if (isKnown || this.#titles.has(o / STRIDE)) yield o / STRIDE;
    }
  }

  #set(key: number, worst: number, firedAtUs: number, title: string | undefined): void {
    const o = this.#at(key);
    this.#cells[o + WORST] = worst;
    this.#cells[o + FIRED_AT] = firedAtUs;
    if (title === undefined) this.#titles.delete(key);
    else this.#titles.set(key, title);
  }

  /** The offset of the key's cells. Adds cells for a new key. */
  #at(key: number): number {
    const o = key * STRIDE;
    if (o >= this.#cells.length) {
      const more = new Float64Array(Math.max(o + STRIDE, Math.ceil((this.#cells.length / STRIDE) * 1.5) * STRIDE));
      more.fill(Number.NaN);
      more.set(this.#cells);
      this.#cells = more;
    }
    return o;
  }
}

/** By characters, so that none is cut in half. */
function cut(title: string): string {
  return title.length <= TITLE_LENGTH_MAX ? title : Array.from(title).slice(0, TITLE_LENGTH_MAX).join("");
}

type ChangeTexts = Pick<AlertChange, "from" | "state" | "atUs"> & {
  /** The title if the incident has none yet. */
  readonly title: string;
};

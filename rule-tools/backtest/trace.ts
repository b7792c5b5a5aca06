/** Beyond this number of buckets, pairs of them are merged. */
const BUCKETS_MAX = 2_048;

/** A series over time in bounded memory: the smallest and the largest value of each bucket. */
export class Trace {
  #atUs: number[] = [];
  #min: number[] = [];
  #max: number[] = [];
  #widthUs = 1;

  /** Values are mostly in order of time. A value out of order goes to the newest bucket. */
  add(atUs: number, value: number): void {
    if (!Number.isFinite(value)) return;
    const last = this.#atUs.length - 1;
    if (last >= 0 && atUs < (this.#atUs[last] as number) + this.#widthUs) {
      this.#min[last] = Math.min(this.#min[last] as number, value);
      this.#max[last] = Math.max(this.#max[last] as number, value);
      return;
    }
    this.#atUs.push(atUs);
    this.#min.push(value);
    this.#max.push(value);
    if (this.#atUs.length > BUCKETS_MAX) this.#halve();
  }

  /** The start of each bucket, with its smallest and largest value. */
  points(): readonly { readonly atUs: number; readonly min: number; readonly max: number }[] {
    return this.#atUs.map((atUs, i) => ({ atUs, min: this.#min[i] as number, max: this.#max[i] as number }));
  }

  #halve(): void {
    const points = this.points();
    const spanUs = (this.#atUs.at(-1) as number) - (this.#atUs[0] as number);
    this.#widthUs = Math.max(this.#widthUs * 2, Math.ceil((spanUs * 2) / BUCKETS_MAX));
    this.#atUs = [];
    this.#min = [];
    this.#max = [];
    for (const { atUs, min, max } of points) {
      const last = this.#atUs.length - 1;
      if (last >= 0 && atUs < (this.#atUs[last] as number) + this.#widthUs) {
        this.#min[last] = Math.min(this.#min[last] as number, min);
        this.#max[last] = Math.max(this.#max[last] as number, max);
      } else {
        this.#atUs.push(atUs);
        this.#min.push(min);
        this.#max.push(max);
      }
    }
  }
}

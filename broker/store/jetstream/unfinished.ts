interface Delivery {
  readonly bytes: number;
  readonly origin: string | undefined;
}

/** The messages of a queue that were decoded and are not finished. */
export class Unfinished {
  readonly #byOrdinal = new Map<number, Delivery>();
  readonly #origins = new Set<string>();
  #bytes = 0;

  get size(): number {
    return this.#byOrdinal.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  hasOrigin(origin: string): boolean {
    return this.#origins.has(origin);
  }

  add(ordinal: number, delivery: Delivery): void {
    this.#byOrdinal.set(ordinal, delivery);
    this.#bytes += delivery.bytes;
    if (delivery.origin !== undefined) this.#origins.add(delivery.origin);
  }

  remove(ordinal: number): Delivery | undefined {
    const delivery = this.#byOrdinal.get(ordinal);
    if (delivery === undefined) return undefined;
    this.#byOrdinal.delete(ordinal);
    this.#bytes -= delivery.bytes;
    if (delivery.origin !== undefined) this.#origins.delete(delivery.origin);
    return delivery;
  }
}

const DOUBLES_PER_PART = 2 ** 16;
const ENTRIES_PER_PART = 2_000;
const TEXT_PER_PART = 2 ** 18;
const BYTES_PER_PART = 2 ** 18;

export class BadSnapshotError extends Error {
  override readonly name = "BadSnapshotError";
}

/**
 * A part of a snapshot: numbers, bytes, texts, or other values for a structured clone. Each kind is in the order of
 * writing.
 */
export type SnapshotPart =
  | { readonly kind: "doubles"; readonly doubles: Float64Array }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "texts"; readonly json: string }
  | { readonly kind: "values"; readonly values: readonly unknown[] };

/** Collects writes into parts that are small enough to serialize without blocking the event loop for long. */
export class SnapshotWriter {
  #doubles = new Float64Array(DOUBLES_PER_PART);
  #doublesSize = 0;
  #bytes = new Uint8Array(BYTES_PER_PART);
  #bytesSize = 0;
  #texts: string[] = [];
  #textSize = 0;
  #values: unknown[] = [];
  #ready: SnapshotPart[] = [];

  number(value: number): void {
    if (this.#doublesSize === DOUBLES_PER_PART) this.#endDoubles();
    this.#doubles[this.#doublesSize++] = value;
  }

  /** Copies the array, which may change afterwards. */
  doubles(values: Float64Array): void {
    this.number(values.length);
    for (let at = 0; at < values.length; ) {
      if (this.#doublesSize === DOUBLES_PER_PART) this.#endDoubles();
      const some = values.subarray(at, at + DOUBLES_PER_PART - this.#doublesSize);
      this.#doubles.set(some, this.#doublesSize);
      this.#doublesSize += some.length;
      at += some.length;
    }
  }

  /** Copies the array. */
  bytes(bytes: Uint8Array): void {
    this.number(bytes.length);
    for (let at = 0; at < bytes.length; ) {
      if (this.#bytesSize === BYTES_PER_PART) this.#endBytes();
      const some = bytes.subarray(at, at + BYTES_PER_PART - this.#bytesSize);
      this.#bytes.set(some, this.#bytesSize);
      this.#bytesSize += some.length;
      at += some.length;
    }
  }

  text(text: string): void {
    this.#texts.push(text);
    this.#textSize += text.length;
    if (this.#texts.length >= ENTRIES_PER_PART || this.#textSize >= TEXT_PER_PART) this.#endTexts();
  }

  /** Does not copy the value. It must not change until the part is serialized. */
  value(value: unknown): void {
    this.#values.push(value);
    if (this.#values.length >= ENTRIES_PER_PART) this.#endValues();
  }

  /** Returns the full parts. */
  takeReady(): SnapshotPart[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  takeRest(): SnapshotPart[] {
    this.#endDoubles();
    this.#endBytes();
    this.#endTexts();
    this.#endValues();
    return this.takeReady();
  }

  #endDoubles(): void {
    this.#ready.push({ kind: "doubles", doubles: this.#doubles.slice(0, this.#doublesSize) });
    this.#doublesSize = 0;
  }

  #endBytes(): void {
    this.#ready.push({ kind: "bytes", bytes: this.#bytes.slice(0, this.#bytesSize) });
    this.#bytesSize = 0;
  }

  #endTexts(): void {
    this.#ready.push({ kind: "texts", json: JSON.stringify(this.#texts) });
    this.#texts = [];
    this.#textSize = 0;
  }

  #endValues(): void {
    this.#ready.push({ kind: "values", values: this.#values });
    this.#values = [];
  }
}

/** Reads values in the order of writing. Throws BadSnapshotError if the next value is missing. */
export class SnapshotReader {
  readonly #parts: Iterator<unknown>;
  readonly #doubles: Float64Array[] = [];
  #doublesAt = 0;
  readonly #bytes: Uint8Array[] = [];
  #bytesAt = 0;
  readonly #texts: Iterator<string>[] = [];
  readonly #values: Iterator<unknown>[] = [];

  constructor(parts: Iterable<unknown>) {
    this.#parts = parts[Symbol.iterator]();
  }

  /** Whether the snapshot has another number. */
  hasMoreNumbers(): boolean {
    for (;;) {
      const part = this.#doubles[0];
      if (part !== undefined && this.#doublesAt < part.length) return true;
      if (part !== undefined) this.#nextDoubles();
      else if (!this.#addPart()) return false;
    }
  }

  number(): number {
    const value = this.peekNumber();
    this.#doublesAt++;
    return value;
  }

  /** The next number, which stays the next. */
  peekNumber(): number {
    for (;;) {
      const part = this.#doubles[0];
      if (part === undefined) this.#readPart("numbers");
      else if (this.#doublesAt < part.length) return part[this.#doublesAt] as number;
      else this.#nextDoubles();
    }
  }

  doubles(): Float64Array<ArrayBuffer> {
    const all = new Float64Array(this.number());
    for (let at = 0; at < all.length; ) {
      const part = this.#doubles[0];
      if (part === undefined) this.#readPart("numbers");
      else if (this.#doublesAt === part.length) this.#nextDoubles();
      else {
        const some = part.subarray(this.#doublesAt, this.#doublesAt + all.length - at);
        all.set(some, at);
        this.#doublesAt += some.length;
        at += some.length;
      }
    }
    return all;
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.number());
    for (let at = 0; at < all.length; ) {
      const part = this.#bytes[0];
      if (part === undefined) this.#readPart("bytes");
      else if (this.#bytesAt === part.length) {
        this.#bytes.shift();
        this.#bytesAt = 0;
      } else {
        const some = part.subarray(this.#bytesAt, this.#bytesAt + all.length - at);
        all.set(some, at);
        this.#bytesAt += some.length;
        at += some.length;
      }
    }
    return all;
  }

  text(): string {
    return this.#from(this.#texts, "texts");
  }

  /** The type is not checked: the writer of this snapshot determines it. */
  value<T>(): T;
  value(): unknown {
    return this.#from(this.#values, "values");
  }

  #from<T>(queue: Iterator<T>[], what: string): T {
    for (;;) {
      const first = queue[0];
      if (first === undefined) {
        this.#readPart(what);
        continue;
      }
      const next = first.next();
      if (!next.done) return next.value;
      queue.shift();
    }
  }

  #nextDoubles(): void {
    this.#doubles.shift();
    this.#doublesAt = 0;
  }

  #readPart(wanted: string): void {
    if (!this.#addPart()) throw new BadSnapshotError(`the snapshot ends where ${wanted} are expected`);
  }

  /** Reads the next part. False at the end of the snapshot. */
  #addPart(): boolean {
    const { value, done } = this.#parts.next();
    if (done) return false;
    if (value === undefined) return true;
    if (!isPart(value)) throw new BadSnapshotError("not a part of a snapshot");
    if (value.kind === "doubles") this.#doubles.push(value.doubles);
    else if (value.kind === "bytes") this.#bytes.push(value.bytes);
    else if (value.kind === "texts") this.#texts.push(textsOf(value.json));
    else this.#values.push(value.values[Symbol.iterator]());
    return true;
  }
}

function* textsOf(json: string): Generator<string> {
  const texts: unknown = JSON.parse(json);
  if (!Array.isArray(texts)) throw new BadSnapshotError("not a list of texts");
  for (const text of texts) yield String(text);
}

function isPart(value: unknown): value is SnapshotPart {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  if (value.kind === "doubles") return "doubles" in value && value.doubles instanceof Float64Array;
  if (value.kind === "bytes") return "bytes" in value && value.bytes instanceof Uint8Array;
  if (value.kind === "texts") return "json" in value && typeof value.json === "string";
  return value.kind === "values" && "values" in value && Array.isArray(value.values);
}

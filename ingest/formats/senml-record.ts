import type { Tree } from "./format.ts";

/** A record with the base values applied. */
export interface SenmlRecord {
  /** The base name without separators at its end; "" without a base name. */
  readonly device: string;
  readonly metric: string;
  readonly unit: string | undefined;
  readonly value: Tree;
  readonly sum: number | undefined;
  /** Seconds since 1970, or seconds relative to now below `RELATIVE_BELOW`. */
  readonly seconds: number;
}

/** A whole pack is refused, since its other records depend on what is wrong. */
export class BadPack extends Error {
  override readonly name = "BadPack";
}

/** A record is refused; the others count. */
export class BadRecord extends Error {
  override readonly name = "BadRecord";
}

/** RFC 8428, 4.5.3: times below 2^28 s are relative to now. */
export const RELATIVE_BELOW = 2 ** 28;
const VERSION_MAX = 10;

/** The labels of SenML in CBOR (RFC 8428, table 6); `senmlPack` maps them to those of JSON. */
const CBOR_LABELS: Readonly<Record<string, string>> = {
  ...{ "-1": "bver", "-2": "bn", "-3": "bt", "-4": "bu", "-5": "bv", "-6": "bs" },
  ...{ 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd" },
};

const KINDS: Readonly<Record<string, "number" | "string" | "boolean">> = {
  ...{ bn: "string", bt: "number", bu: "string", bv: "number", bs: "number", bver: "number" },
  ...{ n: "string", u: "string", v: "number", vs: "string", vb: "boolean", s: "number", t: "number", ut: "number" },
};
const BASES: readonly string[] = ["bn", "bt", "bu", "bv", "bs", "bver"];
const NAME = /^[A-Za-z0-9][A-Za-z0-9\-:./_]*$/;

/**
 * Resolves the records of one pack in their order (RFC 8428, 4.6). Throws `BadRecord` for a record that cannot be read,
 * and `BadPack` when the pack cannot.
 */
export class SenmlPack {
  #bn = "";
  #bt = 0;
  #bu: string | undefined;
  #bv = 0;
  #bs = 0;
  #bver: number | undefined;

  /** Undefined for a record that only sets base values. */
  resolve(given: unknown): SenmlRecord | undefined {
    const record = checked(given);
    this.#takeBases(record);
    const { v, vs, vb, vd, s } = record;
    const values = [v, vs, vb, vd].filter((value) => value !== undefined);
    if (values.length > 1) throw new BadRecord("it has more than one value");
    if (values.length === 0 && s === undefined) {
      if (BASES.some((name) => name in record) && record.n === undefined) return undefined;
      throw new BadRecord('it has no value: "v", "vs", "vb", "vd" or "s" is expected');
    }
    const { device, metric } = this.#names((record.n as string | undefined) ?? "");
    return {
      device,
      metric,
      unit: (record.u as string | undefined) ?? this.#bu,
      value: v === undefined ? dataText(values[0]) : (v as number) + this.#bv,
      sum: s === undefined ? undefined : (s as number) + this.#bs,
      seconds: this.#bt + ((record.t as number | undefined) ?? 0),
    };
  }

  #takeBases({ bn, bt, bu, bv, bs, bver }: Fields): void {
    if (bver !== undefined) {
      if (this.#bver !== undefined && this.#bver !== bver) throw new BadPack('"bver" changes within the pack');
      if ((bver as number) > VERSION_MAX) throw new BadPack(`version ${bver} of SenML is newer than ${VERSION_MAX}`);
      this.#bver = bver as number;
    }
    if (bn !== undefined) this.#bn = bn as string;
    if (bt !== undefined) this.#bt = bt as number;
    if (bu !== undefined) this.#bu = bu as string;
    if (bv !== undefined) this.#bv = bv as number;
    if (bs !== undefined) this.#bs = bs as number;
  }

  #names(name: string): { readonly device: string; readonly metric: string } {
    const whole = this.#bn + name;
    if (!NAME.test(whole)) {
      const shown = JSON.stringify(whole.slice(0, 60));
      throw new BadRecord(whole === "" ? "it has no name" : `${shown} is no name of SenML: letters, digits and -:./_`);
    }
    if (name !== "") return { device: withoutSeparators(this.#bn), metric: withoutSeparators(name, true) };
    // The whole name is in the base name: its last part is the metric.
    const bare = withoutSeparators(this.#bn);
    if (bare !== this.#bn) return { device: bare, metric: "value" };
    const at = Math.max(bare.lastIndexOf(":"), bare.lastIndexOf("/"));
    return { device: withoutSeparators(bare.slice(0, Math.max(at, 0))), metric: bare.slice(at + 1) };
  }
}

type Fields = Readonly<Record<string, unknown>>;

function checked(given: unknown): Fields {
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw new BadPack("a record is no object");
  const record: Record<string, unknown> = {};
  for (const [label, value] of Object.entries(given)) {
    const name = (Object.hasOwn(CBOR_LABELS, label) ? CBOR_LABELS[label] : undefined) ?? label;
    // RFC 8428, 4.4: a receiver that does not know such a field must not use the pack.
    if (name.endsWith("_")) throw new BadPack(`the field ${JSON.stringify(name.slice(0, 60))} must be understood`);
    const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
    if (kind !== undefined && (typeof value !== kind || (kind === "number" && !Number.isFinite(value)))) {
      const message = `"${name}" is not a ${kind}`;
      throw BASES.includes(name) ? new BadPack(message) : new BadRecord(message);
    }
    if (kind !== undefined || name === "vd") record[name] = value;
  }
  return record;
}

/** Data is base64url text in JSON, and bytes in CBOR. */
function dataText(value: unknown): Tree {
  if (!(value instanceof Uint8Array)) {
    if (typeof value === "string" || typeof value === "boolean" || value === undefined) return value;
    throw new BadRecord('"vd" is not text');
  }
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64url");
}

function withoutSeparators(name: string, atBegin = false): string {
  let [start, end] = [0, name.length];
  while (end > start && ":/.".includes(name.charAt(end - 1))) end--;
  while (atBegin && start < end && ":/.".includes(name.charAt(start))) start++;
  return start === end ? name : name.slice(start, end);
}

import type { Version } from "./bytes.ts";
import { OF_SERVER, PROPERTIES, type Properties } from "./properties.ts";

/** Reads the packets of a server, strictly: what the specification does not allow throws a `ViolationError`. */

export type Kind =
  | "connack"
  | "publish"
  | "puback"
  | "pubrec"
  | "pubrel"
  | "pubcomp"
  | "suback"
  | "unsuback"
  | "pingresp"
  | "disconnect"
  | "auth";

/** Fields that a kind of packet does not have are zero or empty. */
export interface Received {
  readonly kind: Kind;
  readonly id: number;
  /** Reason or return code. */
  readonly code: number;
  readonly codes: readonly number[];
  readonly sessionPresent: boolean;
  readonly dup: boolean;
  readonly qos: number;
  readonly retain: boolean;
  readonly topic: string;
  readonly payload: string;
  readonly bytes: Uint8Array;
  readonly properties: Properties;
  /** Of the whole packet, in bytes. */
  readonly size: number;
}

/** What a server sent, against a statement. */
export class ViolationError extends Error {
  override readonly name = "ViolationError";
  /** Of MQTT 3.1.1 and of MQTT 5; undefined where that version has no such statement. */
  readonly statements: Readonly<Record<Version, string | undefined>>;

  constructor(text: string, statements: { readonly 4?: string; readonly 5?: string } = {}) {
    super(text);
    this.statements = { 4: statements[4], 5: statements[5] };
  }
}

const KINDS: readonly (Kind | undefined)[] = [
  ...([undefined, undefined, "connack", "publish", "puback", "pubrec", "pubrel", "pubcomp"] as const),
  ...([undefined, "suback", undefined, "unsuback", undefined, "pingresp", "disconnect", "auth"] as const),
];

const NONE: Omit<Received, "kind" | "size"> = {
  id: 0,
  code: 0,
  codes: [],
  sessionPresent: false,
  dup: false,
  qos: 0,
  retain: false,
  topic: "",
  payload: "",
  bytes: new Uint8Array(),
  properties: {},
};

class Reader {
  #at = 0;
  readonly #bytes: Buffer;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }
  take(count: number): Buffer {
    if (count > this.left) throw new ViolationError("a packet ends within a field");
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
  uint(count: number): number {
    return this.take(count).readUIntBE(0, count);
  }
  varint(): number {
    let value = 0;
    for (let at = 0; at < 4; at++) {
      const byte = this.uint(1);
      value += (byte & 0x7f) * 128 ** at;
      if (byte < 0x80) {
        const overlong = at > 0 && byte === 0;
        if (overlong) throw new ViolationError("a variable byte integer is longer than needed", { 5: "1.5.5-1" });
        return value;
      }
    }
    throw new ViolationError("a variable byte integer has more than 4 bytes", { 5: "1.5.5-1" });
  }
  text(): string {
    const bytes = this.take(this.uint(2));
    const text = bytes.toString();
    if (!Buffer.from(text).equals(bytes)) {
      throw new ViolationError("a string is not UTF-8", { 4: "1.5.3-1", 5: "1.5.4-1" });
    }
    if (text.includes("\0")) throw new ViolationError("a string has U+0000", { 4: "1.5.3-2", 5: "1.5.4-2" });
    return text;
  }
}

const BY_ID = new Map(Object.entries(PROPERTIES).map(([name, [id, type]]) => [id, { name, type }]));

function readProperties(from: Reader, kind: Kind): Properties {
  const reader = new Reader(from.take(from.varint()));
  const found: Record<string, unknown> = {};
  while (reader.left > 0) {
    const id = reader.varint();
    const known = BY_ID.get(id);
    if (known === undefined || !(OF_SERVER[kind] ?? []).some((name) => name === known.name)) {
      const expiry = kind === "disconnect" && known?.name === "sessionExpiry";
      throw new ViolationError(`${kind} has property ${known?.name ?? id}`, expiry ? { 5: "3.14.2-2" } : {});
    }
    const value = readValue(reader, known.type);
    const several = known.name === "user" || known.name === "subscriptionIds";
    const before = found[known.name];
    if (several) found[known.name] = Array.isArray(before) ? [...before, value] : [value];
    else if (before !== undefined) throw new ViolationError(`${kind} has property ${known.name} twice`);
    else found[known.name] = value;
  }
  return found;
}

function readValue(reader: Reader, type: string): unknown {
  if (type === "text") return reader.text();
  if (type === "bytes") return reader.take(reader.uint(2));
  if (type === "pair") return [reader.text(), reader.text()];
  if (type === "varint") return reader.varint();
  return reader.uint({ byte: 1, u16: 2, u32: 4 }[type] ?? 1);
}

/** Reason codes that a server may send (MQTT 5, tables of each packet). */
const CODES: Readonly<Record<string, { readonly codes: readonly number[]; readonly statement: string }>> = {
  connack: {
    codes: [
      ...[0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99],
      ...[0x9a, 0x9b, 0x9c, 0x9d, 0x9f],
    ],
    statement: "3.2.2-8",
  },
  puback: { codes: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99], statement: "3.4.2-1" },
  pubrec: { codes: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99], statement: "3.5.2-1" },
  pubrel: { codes: [0x00, 0x92], statement: "3.6.2-1" },
  pubcomp: { codes: [0x00, 0x92], statement: "3.7.2-1" },
  suback: { codes: [0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2], statement: "3.9.3-2" },
  unsuback: { codes: [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91], statement: "3.11.3-2" },
  disconnect: {
    codes: [
      ...[0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97],
      ...[0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2],
    ],
    statement: "3.14.2-1",
  },
  auth: { codes: [0x00, 0x18], statement: "3.15.2-1" },
};

function checkCode(version: Version, kind: Kind, code: number): void {
  if (version === 4) {
    const allowed = kind === "connack" ? [0, 1, 2, 3, 4, 5] : kind === "suback" ? [0, 1, 2, 0x80] : [0];
    if (allowed.includes(code)) return;
    throw new ViolationError(`${kind} has return code ${code}`, { 4: kind === "suback" ? "3.9.3-2" : "3.2.2-6" });
  }
  const known = CODES[kind];
  if (known === undefined || known.codes.includes(code)) return;
  throw new ViolationError(`${kind} has reason code 0x${code.toString(16)}`, { 5: known.statement });
}

/** Takes whole packets off the front of the bytes. Returns them and the bytes that are left. */
export function readPackets(version: Version, bytes: Buffer): { readonly packets: Received[]; readonly rest: Buffer } {
  const packets: Received[] = [];
  let rest = bytes;
  for (;;) {
    const length = lengthOf(rest);
    if (length === undefined || rest.length < length.head + length.body) return { packets, rest };
    const size = length.head + length.body;
    packets.push(readPacket(version, rest[0] ?? 0, rest.subarray(length.head, size), size));
    rest = rest.subarray(size);
  }
}

function lengthOf(bytes: Buffer): { readonly head: number; readonly body: number } | undefined {
  let body = 0;
  for (let at = 1; at <= 4; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    body += (byte & 0x7f) * 128 ** (at - 1);
    if (byte < 0x80) return { head: at + 1, body };
  }
  throw new ViolationError("a remaining length has more than 4 bytes", { 5: "1.5.5-1" });
}

function readPacket(version: Version, head: number, body: Buffer, size: number): Received {
  const kind = KINDS[head >> 4];
  if (kind === undefined || (version === 4 && (kind === "auth" || kind === "disconnect"))) {
    throw new ViolationError(`a server sent packet type ${head >> 4}`, { 4: "3.1.4-1", 5: "4.13.1-1" });
  }
  const reader = new Reader(body);
  const flags = head & 0x0f;
  if (kind === "publish") return readPublish(version, flags, reader, size);
  const expected = kind === "pubrel" ? 2 : 0;
  if (flags !== expected) {
    const pubrel = { 4: "3.6.1-1", 5: "3.6.1-1" };
    throw new ViolationError(`${kind} has flags ${flags}`, kind === "pubrel" ? pubrel : { 4: "2.2.2-1", 5: "2.1.3-1" });
  }
  const read = readBody(version, kind, reader, size);
  if (reader.left > 0) throw new ViolationError(`${kind} has ${reader.left} bytes too many`);
  for (const code of read.codes.length > 0 ? read.codes : [read.code]) checkCode(version, kind, code);
  return read;
}

function readBody(version: Version, kind: Kind, reader: Reader, size: number): Received {
  const base = { ...NONE, kind, size };
  const props = () => (version === 5 ? readProperties(reader, kind) : {});
  if (kind === "pingresp") return base;
  if (kind === "connack") {
    const flags = reader.uint(1);
    if (flags > 1) throw new ViolationError(`CONNACK has flags ${flags}`, { 4: "2.2.2-1", 5: "3.2.2-1" });
    return { ...base, sessionPresent: flags === 1, code: reader.uint(1), properties: props() };
  }
  if (kind === "disconnect" || kind === "auth") {
    const code = reader.left > 0 ? reader.uint(1) : 0;
    return { ...base, code, properties: reader.left > 0 ? props() : {} };
  }
  const id = reader.uint(2);
  if (id === 0) throw new ViolationError(`${kind} has packet id 0`, { 4: "2.3.1-1", 5: "2.2.1-4" });
  if (kind === "suback" || kind === "unsuback") {
    const properties = props();
    return { ...base, id, properties, codes: [...reader.take(reader.left)] };
  }
  const code = version === 5 && reader.left > 0 ? reader.uint(1) : 0;
  return { ...base, id, code, properties: version === 5 && reader.left > 0 ? props() : {} };
}

function readPublish(version: Version, flags: number, reader: Reader, size: number): Received {
  const qos = (flags >> 1) & 3;
  const dup = (flags & 8) > 0;
  if (qos === 3) throw new ViolationError("PUBLISH has QoS 3", { 4: "3.3.1-4", 5: "3.3.1-4" });
  if (qos === 0 && dup) throw new ViolationError("PUBLISH of QoS 0 has DUP", { 4: "3.3.1-2", 5: "3.3.1-2" });
  const topic = reader.text();
  if (topic.includes("#") || topic.includes("+")) {
    throw new ViolationError("PUBLISH has a wildcard", { 4: "3.3.2-2", 5: "3.3.2-2" });
  }
  const id = qos > 0 ? reader.uint(2) : 0;
  if (qos > 0 && id === 0) throw new ViolationError("PUBLISH has packet id 0", { 4: "2.3.1-1", 5: "2.2.1-4" });
  const properties = version === 5 ? readProperties(reader, "publish") : {};
  if (topic === "" && properties.topicAlias === undefined) {
    throw new ViolationError("PUBLISH has no topic", { 4: "4.7.3-1", 5: "4.7.3-1" });
  }
  const bytes = reader.take(reader.left);
  const retain = (flags & 1) > 0;
  const payload = bytes.toString();
  return { ...NONE, kind: "publish", size, id, qos, dup, retain, topic, payload, bytes, properties };
}

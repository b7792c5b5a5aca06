import { isUtf8 } from "node:buffer";
import type { Parsed } from "./format.ts";
import { NotJson, parseLenientJson } from "./lenient-json.ts";

/** The text of a payload, and where in the payload its characters are. */
export interface PayloadText {
  readonly text: string;
  /** The position of a character in the payload, in bytes. */
  byteOf(character: number): number;
}

/**
 * Payloads are UTF-8, or UTF-16 if they look like it. A byte order mark and NULs at the end are left out. Bytes that
 * are no text become U+FFFD.
 */
export function decodeText(payload: Uint8Array): string {
  return isPlain(payload) && isUtf8(payload) ? bufferOf(payload).toString() : decodePayload(payload).text;
}

/** As `decodeText`; undefined if some bytes are no text. */
export function decodeUtf8(payload: Uint8Array): string | undefined {
  const text = decodeText(payload);
  return text.includes("\ufffd") ? undefined : text;
}

/** Nothing of it is left out. */
function isPlain(payload: Uint8Array): boolean {
  const first = payload[0];
  if (first === 0xef || first === 0xfe || first === 0xff || first === 0) return false;
  return payload[1] !== 0 && payload[payload.length - 1] !== 0;
}

export function decodePayload(payload: Uint8Array): PayloadText {
  const encoding = encodingOf(payload);
  const { label, mark } = encoding;
  let end = payload.length;
  if (label === "utf-8") while (end > mark && payload[end - 1] === 0) end--;
  const text = new TextDecoder(label).decode(payload.subarray(mark, end)).replace(/\0+$/, "");
  const byteOf = (character: number) =>
    mark + (label === "utf-8" ? Buffer.byteLength(text.slice(0, character)) : 2 * character);
  return { text, byteOf };
}

interface Encoding {
  readonly label: "utf-8" | "utf-16le" | "utf-16be";
  /** The length of the byte order mark. */
  readonly mark: number;
}

function encodingOf([a, b, c, d]: Uint8Array): Encoding {
  if (a === 0xef && b === 0xbb && c === 0xbf) return { label: "utf-8", mark: 3 };
  if (a === 0xff && b === 0xfe) return { label: "utf-16le", mark: 2 };
  if (a === 0xfe && b === 0xff) return { label: "utf-16be", mark: 2 };
  // Without a mark: every other byte of ASCII is NUL.
  if (a && b === 0 && c && d === 0) return { label: "utf-16le", mark: 0 };
  if (a === 0 && b && c === 0 && d) return { label: "utf-16be", mark: 0 };
  return { label: "utf-8", mark: 0 };
}

function bufferOf(payload: Uint8Array): Buffer {
  // The broker's payloads are already buffers. Without arguments `toString` takes its shortest path.
  return Buffer.isBuffer(payload) ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

/** Whole numbers that a double cannot hold are not exact. */
export function parseJson(payload: Uint8Array): Parsed {
  const text = decodeText(payload);
  try {
    return { value: JSON.parse(text) };
  } catch {
    return parseExactJson(payload);
  }
}

/** Slower: whole numbers that a double cannot hold become bigint. */
export function parseExactJson(payload: Uint8Array): Parsed {
  const { text, byteOf } = decodePayload(payload);
  if (text.trim() === "") return {};
  const parsed = parseLenientJson(text);
  const flaw = parsed instanceof NotJson ? parsed : parsed.flaw;
  const problem =
    flaw && ({ reason: "bad-payload", detail: `not JSON: ${flaw.detail}`, position: byteOf(flaw.at) } as const);
  if (parsed instanceof NotJson) return problem === undefined ? {} : { problem };
  return problem === undefined ? { value: parsed.value } : { value: parsed.value, problem };
}

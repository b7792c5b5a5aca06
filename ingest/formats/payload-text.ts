import { isUtf8 } from "node:buffer";
import { reasonOf } from "../../domain/reason.ts";
import type { PayloadProblem } from "./format.ts";

/** Undefined when the bytes are not UTF-8. */
export function decodeText(payload: Uint8Array): string | undefined {
  if (!isUtf8(payload)) return undefined;
  // The broker's payloads are already buffers. Without arguments `toString` takes its shortest path.
  const bytes = Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  return bytes.toString();
}

export function parseJson(payload: Uint8Array): { readonly value?: unknown; readonly problem?: PayloadProblem } {
  const text = decodeText(payload);
  if (text === undefined) return { problem: { reason: "bad-payload", detail: "the payload is not UTF-8 text" } };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    const detail = `not JSON: ${reasonOf(error)}`;
    const at = /position (\d+)/.exec(detail)?.[1];
    // The engine leaves the position out of some messages: then it is not known, unless the text ended too early.
    const end = at === undefined && detail.includes("Unexpected end") ? text.length : undefined;
    const position = at === undefined ? end : Number(at);
    const problem = { reason: "bad-payload", detail } as const;
    if (position === undefined) return { problem };
    return { problem: { ...problem, position: Buffer.byteLength(text.slice(0, position)) } };
  }
}

import type { IncomingMessage } from "node:http";
import { reasonOf } from "../../domain/reason.ts";
import { ApiError } from "./api-error.ts";

const BODY_BYTES_MAX = 16_384;

/**
 * The JSON value of a request's body; undefined when it is empty. Only JSON is accepted, because a form on another
 * page cannot send JSON without a preflight request. Throws ApiError.
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const type = (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    const message = "send JSON, with the header content-type: application/json";
    throw new ApiError({ status: 415, code: "content-type", message });
  }
  const bytes = await readBytes(request, BODY_BYTES_MAX);
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    const why = reasonOf(cause);
    throw new ApiError({ status: 400, code: "bad-json", message: `the body is not JSON: ${why}` }, { cause });
  }
}

/** Throws ApiError when the body is larger. */
export async function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const piece: Buffer = chunk;
    bytes += piece.length;
    if (bytes > bytesMax) {
      const message = `the body is larger than ${bytesMax} bytes`;
      throw new ApiError({ status: 413, code: "too-large", message });
    }
    chunks.push(piece);
  }
  return Buffer.concat(chunks);
}

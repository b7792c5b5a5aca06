import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { PROBLEM_TYPE } from "../../contracts/http/problem.ts";
import { ApiError } from "./api-error.ts";
import type { Page, PageFile } from "./page.ts";
import { type Problem, problemText } from "./problem.ts";

const JSON_TYPE = "application/json; charset=utf-8";
/** Smaller answers do not gain from compression. */
const GZIP_BYTES_MIN = 1_024;

const gzipped = promisify(gzip);

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** An answer that no cache may keep. */
export function send(
  response: ServerResponse,
  answer: { readonly text: string; readonly status?: number; readonly type?: string | undefined },
): void {
  const body = Buffer.from(answer.text);
  response
    .writeHead(answer.status ?? 200, {
      "Content-Type": answer.type ?? JSON_TYPE,
      "Content-Length": body.length,
      "Cache-Control": "no-store",
    })
    .end(body);
}

export function sendProblem(response: ServerResponse, problem: Problem): void {
  send(response, { text: problemText(problem), status: problem.status, type: PROBLEM_TYPE });
}

/** JSON with an ETag, compressed where it helps: pages often request data that rarely changes, and series are long. */
export async function sendCacheable({ request, response }: Exchange, body: Buffer): Promise<void> {
  const etag = `W/"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  response.setHeader("ETag", etag);
  response.setHeader("Cache-Control", "private, no-cache");
  response.appendHeader("Vary", "Authorization, Accept-Encoding");
  if (etagMatches(request.headers["if-none-match"], etag)) {
    response.writeHead(304).end();
    return;
  }
  const zipped = body.length >= GZIP_BYTES_MIN && acceptsGzip(request) ? await gzipped(body, { level: 1 }) : undefined;
  if (zipped !== undefined) response.setHeader("Content-Encoding", "gzip");
  const sent = zipped ?? body;
  response.writeHead(200, { "Content-Type": JSON_TYPE, "Content-Length": sent.length }).end(sent);
}

/** A file of the built page. Throws ApiError if the path has none. */
export function sendPageFile(exchange: Exchange, page: Page, path: string): void {
  const { request, response } = exchange;
  const decoded = decodedPath(path);
  const file = decoded === undefined ? undefined : page.find(decoded);
  if (file === undefined) {
    const message = "no file has this path. If the page itself is missing, build it with `npm run build`";
    throw new ApiError({ status: 404, code: "not-found", message });
  }
  response.setHeader("Cache-Control", file.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  response.setHeader("ETag", file.etag);
  response.setHeader("Vary", "Accept-Encoding");
  if (etagMatches(request.headers["if-none-match"], file.etag)) {
    response.writeHead(304).end();
    return;
  }
  sendFile(exchange, file);
}

function sendFile({ request, response }: Exchange, file: PageFile): void {
  const zipped = acceptsGzip(request) ? file.gzipped : undefined;
  if (zipped !== undefined) response.setHeader("Content-Encoding", "gzip");
  const body = zipped ?? file.bytes;
  response.writeHead(200, { "Content-Type": file.type, "Content-Length": body.length }).end(body);
}

function etagMatches(wanted: string | undefined, etag: string): boolean {
  if (wanted === undefined) return false;
  const bare = etag.replace(/^W\//, "");
  return wanted.split(",").some((each) => each.trim() === "*" || each.trim().replace(/^W\//, "") === bare);
}

function acceptsGzip(request: IncomingMessage): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(String(request.headers["accept-encoding"] ?? ""));
}

function decodedPath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

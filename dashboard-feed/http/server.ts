import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Deps, Health } from "../../platform/service.ts";
import type { Access, Grant } from "../common/access.ts";
import type { FeedEvents } from "../common/events.ts";
import { parseReport } from "../views/stats-view.ts";
import type { Views } from "../views/views.ts";
import { ApiError } from "./api-error.ts";
import { readJson } from "./body.ts";
import { metricsText } from "./metrics-text.ts";
import type { Page, PageFile } from "./page.ts";
import { PROBLEM_TYPE, type Problem, problemText } from "./problem.ts";
import { API_PATHS, findRoute, methodsOf } from "./routes.ts";

export interface HttpOptions {
  readonly deps: Deps;
  readonly instance: string;
  readonly views: Views;
  readonly access: Access;
  readonly page: Page;
  readonly events: FeedEvents;
  readonly readiness: () => readonly { readonly name: string; readonly health: Health }[];
}

const JSON_TYPE = "application/json; charset=utf-8";
const URL_LENGTH_MAX = 8_192;
/** Smaller answers do not gain from compression. */
const GZIP_BYTES_MIN = 1_024;

const READING: readonly string[] = ["GET", "HEAD"];

const gzipped = promisify(gzip);

/** The page, the API and the figures. WebSockets are the upgrade event's. */
export function createHttpServer(options: HttpOptions): Server {
  return createServer((request, response) => {
    const route = routeOf(request);
    response.on("finish", () => options.events.requestServed(route, response.statusCode));
    answer({ request, response, route }, options).catch((error) => {
      const known = error instanceof ApiError ? error : undefined;
      if (known === undefined) options.events.requestFailed(route, error);
      if (response.headersSent) {
        response.destroy();
        return;
      }
      sendProblem(response, known?.problem ?? { status: 500, code: "internal", message: "something failed here" });
    });
  });
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly route: string;
}

async function answer(exchange: Exchange, options: HttpOptions): Promise<void> {
  const { request, response, route } = exchange;
  const { access } = options;
  secure(request, response);
  if (!access.hostAllowed(request)) {
    throw new ApiError({ status: 403, code: "host", message: "this server is not known by that name" });
  }
  if (!allowOrigin(request, response, access)) return;
  const allowed = route === "/api" ? methodsOf(pathOf(request)) : READING;
  if (!allowed.includes(request.method ?? "")) {
    response.setHeader("Allow", allowed.join(", "));
    throw new ApiError({ status: 405, code: "method", message: `${request.method} is not possible here` });
  }
  switch (route) {
    case "/healthz":
      return send(response, { text: JSON.stringify({ status: "ok" }) });
    case "/readyz":
      return sendReadiness(response, options);
    case "/metrics":
      if (!requireGrant(exchange, access).channels.has("stats")) throw forbidden("the metrics: they tell of all sites");
      return await sendMetrics(response, options);
    case "/api":
      return await sendApi(exchange, requireGrant(exchange, access), options);
    case "/feed":
      response.setHeader("Upgrade", "websocket");
      throw new ApiError({ status: 426, code: "upgrade", message: "the feed is a WebSocket" });
    default:
      return sendPage(exchange, options.page);
  }
}

/** Few, because they label a metric. */
function routeOf(request: IncomingMessage): string {
  const path = pathOf(request);
  if (path === "/healthz" || path === "/readyz" || path === "/metrics" || path === "/feed") return path;
  return path === "/api" || path.startsWith("/api/") ? "/api" : "/";
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split(/[?#]/, 1)[0] ?? "/";
}

function secure(request: IncomingMessage, response: ServerResponse): void {
  // Not every browser takes 'self' for WebSockets, too.
  const host = /^[\w.:[\]-]+$/.exec(request.headers.host ?? "")?.[0];
  const sockets = host === undefined ? "" : ` ws://${host} wss://${host}`;
  response.setHeader(
    "Content-Security-Policy",
    `default-src 'self'; connect-src 'self'${sockets}; img-src 'self' data:; style-src 'self' 'unsafe-inline'; ` +
      "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
  );
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.setHeader("Referrer-Policy", "no-referrer");
  response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
}

/** Lets listed pages read answers. Returns whether there is more to do: not when it was only their question. */
function allowOrigin(request: IncomingMessage, response: ServerResponse, access: Access): boolean {
  const { origin } = request.headers;
  if (origin === undefined || !access.originListed(origin)) return true;
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Access-Control-Expose-Headers", "ETag");
  response.setHeader("Vary", "Origin");
  if (request.method !== "OPTIONS") return true;
  response.writeHead(204, {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Authorization, If-None-Match",
    "Access-Control-Max-Age": "600",
  });
  response.end();
  return false;
}

/** Answers are for who shows the same token again. */
function requireGrant({ request, response }: Exchange, access: Access): Grant {
  const shown = access.shownBy(request);
  if (shown.state === "granted") return shown.grant;
  response.setHeader("WWW-Authenticate", 'Bearer realm="weir"');
  const message = shown.state === "none" ? "a bearer token is needed" : "the token is not known";
  throw new ApiError({ status: 401, code: "token", message });
}

function forbidden(what: string): ApiError {
  return new ApiError({ status: 403, code: "forbidden", message: `the token does not show ${what}` });
}

function sendReadiness(response: ServerResponse, { deps, readiness, views }: HttpOptions): void {
  const { log } = deps;
  const notReady = views.notReady();
  const services = [
    ...readiness().filter(({ name }) => name !== "feed"),
    { name: "feed", health: { ready: notReady === undefined, detail: notReady ?? "" } },
  ].map(({ name, health }) => ({ name, ...health }));
  const ready = log.healthy() && services.every((service) => service.ready);
  const text = JSON.stringify({ ready, log: { ready: log.healthy(), durability: log.durability }, services });
  send(response, { text, status: ready ? 200 : 503 });
}

async function sendMetrics(response: ServerResponse, { deps, instance, views }: HttpOptions): Promise<void> {
  const own = { instance, atUs: deps.clock.nowUs(), metrics: await deps.metrics.registry.getMetricsAsJSON() };
  const others = views.stats.reports.filter((report) => report.instance !== instance);
  const mine = parseReport(own);
  const text = metricsText(mine === undefined ? others : [mine, ...others]);
  send(response, { text, type: "text/plain; version=0.0.4; charset=utf-8" });
}

async function sendApi(exchange: Exchange, grant: Grant, { deps, views, access }: HttpOptions): Promise<void> {
  const { request, response } = exchange;
  const url = request.url ?? "";
  if (url.length > URL_LENGTH_MAX) {
    throw new ApiError({ status: 414, code: "too-long", message: `the URL is longer than ${URL_LENGTH_MAX}` });
  }
  const found = findRoute(request.method ?? "GET", pathOf(request));
  if (found === undefined) {
    const message = `there is no such resource; there are ${API_PATHS.join(", ")}`;
    throw new ApiError({ status: 404, code: "not-found", message });
  }
  const { route, params } = found;
  if (!route.channels.some((channel) => grant.channels.has(channel))) throw forbidden(route.channels.join(" or "));
  if (route.unrestricted && grant.sites !== undefined) throw forbidden("this: it tells of all sites");
  const order = !READING.includes(request.method ?? "GET");
  if (order) requireOrders(request, grant, access);
  const query = new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "");
  const body = request.method === "POST" ? await readJson(request) : undefined;
  const nowUs = () => deps.clock.nowUs();
  const text = await route.answer(query, { grant, views, bus: deps.log.bus, log: deps.log, nowUs, params, body });
  if (order) send(response, { text });
  else await sendCompressed(exchange, Buffer.from(text));
}

function requireOrders(request: IncomingMessage, grant: Grant, access: Access): void {
  if (!access.orderOriginAllowed(request)) {
    const message = "orders are taken from Weir's own page and from programs, not from other pages";
    throw new ApiError({ status: 403, code: "origin", message });
  }
  if (grant.orders) return;
  const message =
    grant.name === ""
      ? "orders over the network need tokens: configure some, with `admin: true` for who may give orders"
      : "the token may look and not give orders; one with `admin: true` may";
  throw new ApiError({ status: 403, code: "forbidden", message });
}

/** Pages ask again and again for what has mostly not changed, and series are long. */
async function sendCompressed({ request, response }: Exchange, body: Buffer): Promise<void> {
  const etag = `W/"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  response.setHeader("ETag", etag);
  response.setHeader("Cache-Control", "private, no-cache");
  response.appendHeader("Vary", "Authorization, Accept-Encoding");
  if (etagMatches(request.headers["if-none-match"], etag)) {
    response.writeHead(304).end();
    return;
  }
  const zipped = body.length >= GZIP_BYTES_MIN && takesGzip(request) ? await gzipped(body, { level: 1 }) : undefined;
  if (zipped !== undefined) response.setHeader("Content-Encoding", "gzip");
  const sent = zipped ?? body;
  response.writeHead(200, { "Content-Type": JSON_TYPE, "Content-Length": sent.length }).end(sent);
}

function sendPage({ request, response }: Exchange, page: Page): void {
  const path = decoded(pathOf(request));
  const file = path === undefined ? undefined : page.find(path);
  if (file === undefined) {
    const message = "there is no such file. If it is the page that is missing, it has not been built";
    throw new ApiError({ status: 404, code: "not-found", message });
  }
  response.setHeader("Cache-Control", file.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  response.setHeader("ETag", file.etag);
  response.setHeader("Vary", "Accept-Encoding");
  if (etagMatches(request.headers["if-none-match"], file.etag)) {
    response.writeHead(304).end();
    return;
  }
  sendFile({ request, response }, file);
}

function sendFile({ request, response }: Pick<Exchange, "request" | "response">, file: PageFile): void {
  const zipped = takesGzip(request) ? file.gzipped : undefined;
  if (zipped !== undefined) response.setHeader("Content-Encoding", "gzip");
  const body = zipped ?? file.bytes;
  response.writeHead(200, { "Content-Type": file.type, "Content-Length": body.length }).end(body);
}

function etagMatches(wanted: string | undefined, etag: string): boolean {
  if (wanted === undefined) return false;
  const bare = etag.replace(/^W\//, "");
  return wanted.split(",").some((each) => each.trim() === "*" || each.trim().replace(/^W\//, "") === bare);
}

function takesGzip(request: IncomingMessage): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(String(request.headers["accept-encoding"] ?? ""));
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function send(
  response: ServerResponse,
  answer: { readonly text: string; readonly status?: number; readonly type?: string },
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

function sendProblem(response: ServerResponse, problem: Problem): void {
  send(response, { text: problemText(problem), status: problem.status, type: PROBLEM_TYPE });
}

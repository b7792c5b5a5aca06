import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Access, Grant } from "../common/access.ts";
import type { FeedEvents } from "../common/events.ts";
import { ApiError } from "./api-error.ts";
import { readJson } from "./body.ts";
import { type ApiContext, type Operation, Reply } from "./operation.ts";
import { API_PATHS, findOperation, methodsAt, OPERATIONS } from "./operations.ts";
import type { Page } from "./page.ts";
import { type Exchange, send, sendCacheable, sendPageFile, sendProblem } from "./responses.ts";
import { answerRegistryRequest, isRegistryPath } from "./schema-registry.ts";

export interface HttpOptions {
  readonly context: ApiContext;
  readonly access: Access;
  readonly page: Page;
  readonly events: FeedEvents;
}

const URL_LENGTH_MAX = 8_192;

const READING: readonly string[] = ["GET", "HEAD"];
const PROBES: ReadonlySet<string> = new Set(
  OPERATIONS.map(({ path }) => path).filter((path) => !path.startsWith("/api/")),
);

/**
 * Serves the page, the API and the metrics. WebSocket requests for the feed arrive as the server's `upgrade` events.
 */
export function createHttpServer(options: HttpOptions): Server {
  const { events } = options;
  return createServer((request, response) => {
    const path = pathOf(request);
    const route = routeOf(path);
    response.on("finish", () => events.requestServed(route, response.statusCode));
    answer({ request, response }, path, options).catch((error) => {
      const known = error instanceof ApiError ? error : undefined;
      if (known === undefined) events.requestFailed(route, error);
      if (response.headersSent) {
        response.destroy();
        return;
      }
      sendProblem(
        response,
        known?.problem ?? { status: 500, code: "internal", message: "internal error; see the log" },
      );
    });
  });
}

async function answer(exchange: Exchange, path: string, options: HttpOptions): Promise<void> {
  const { request, response } = exchange;
  const { access } = options;
  setSecurityHeaders(request, response);
  if (!access.hostAllowed(request)) {
    throw new ApiError({ status: 403, code: "host", message: "this server does not answer to that host name" });
  }
  if (answeredPreflight(exchange, access)) return;
  if (isRegistryPath(path)) {
    await answerRegistryRequest(exchange, path, options);
    return;
  }
  const route = routeOf(path);
  const isApi = route === "/api" || PROBES.has(route);
  const allowed = isApi ? methodsAt(path) : READING;
  if (!allowed.includes(request.method ?? "")) {
    response.setHeader("Allow", allowed.join(", "));
    throw new ApiError({ status: 405, code: "method", message: `${request.method} is not allowed here` });
  }
  if (isApi) {
    await answerOperation(exchange, path, options);
  } else if (route === "/feed") {
    response.setHeader("Upgrade", "websocket");
    throw new ApiError({ status: 426, code: "upgrade", message: "the feed is a WebSocket" });
  } else {
    sendPageFile(exchange, options.page, path);
  }
}

/** Few values, because they become a label of a metric. */
function routeOf(path: string): string {
  if (path === "/feed" || PROBES.has(path)) return path;
  if (isRegistryPath(path)) return "/registry";
  return path === "/api" || path.startsWith("/api/") ? "/api" : "/";
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split(/[?#]/, 1)[0] ?? "/";
}

function setSecurityHeaders(request: IncomingMessage, response: ServerResponse): void {
  // Some browsers do not apply 'self' to WebSockets.
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

/** Lets listed pages read answers. Returns true if the request was only their preflight; it is then answered. */
function answeredPreflight({ request, response }: Exchange, access: Access): boolean {
  const { origin } = request.headers;
  if (origin === undefined || !access.originListed(origin)) return false;
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Access-Control-Expose-Headers", "ETag");
  response.setHeader("Vary", "Origin");
  if (request.method !== "OPTIONS") return false;
  response.writeHead(204, {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Authorization, If-None-Match",
    "Access-Control-Max-Age": "600",
  });
  response.end();
  return true;
}

async function answerOperation(exchange: Exchange, path: string, options: HttpOptions): Promise<void> {
  const { request, response } = exchange;
  const { access, context } = options;
  const found = findOperation(request.method ?? "GET", path);
  const grant = found?.operation.scope === "open" ? access.nobody : requireGrant(exchange, access);
  const url = request.url ?? "";
  if (url.length > URL_LENGTH_MAX) {
    throw new ApiError({ status: 414, code: "too-long", message: `the URL is longer than ${URL_LENGTH_MAX}` });
  }
  if (found === undefined) {
    const message = `unknown path; the API has ${API_PATHS.join(", ")}`;
    throw new ApiError({ status: 404, code: "not-found", message });
  }
  const { operation, params } = found;
  requireScope(operation, grant);
  if (operation.method !== "GET") requireOrders(request, grant, access);
  const query = new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "");
  const body = operation.method === "POST" ? await readJson(request) : undefined;
  const value = await operation.respond({ grant, params, query, body }, context);
  const reply = value instanceof Reply ? value : new Reply(JSON.stringify(value));
  if (operation.method === "GET" && path.startsWith("/api/")) await sendCacheable(exchange, Buffer.from(reply.text));
  else send(response, reply);
}

/** The grant of the request's token. Throws ApiError. */
function requireGrant({ request, response }: Exchange, access: Access): Grant {
  const shown = access.shownBy(request);
  if (shown.state === "granted") return shown.grant;
  response.setHeader("WWW-Authenticate", 'Bearer realm="weir"');
  const message = shown.state === "none" ? "send a bearer token" : "the token is unknown";
  throw new ApiError({ status: 401, code: "token", message });
}

function requireScope({ scope }: Operation, grant: Grant): void {
  if (scope === "open") return;
  if (!scope.channels.some((channel) => grant.channels.has(channel))) throw forbidden(scope.channels.join(" or "));
  if (scope.allSitesOnly && grant.sites !== undefined) throw forbidden("this, because it covers all sites");
}

function forbidden(what: string): ApiError {
  return new ApiError({ status: 403, code: "forbidden", message: `the token does not show ${what}` });
}

function requireOrders(request: IncomingMessage, grant: Grant, access: Access): void {
  if (!access.orderOriginAllowed(request)) {
    const message = "orders are accepted from Weir's own page and from programs, not from other pages";
    throw new ApiError({ status: 403, code: "origin", message });
  }
  if (grant.orders) return;
  const message =
    grant.name === ""
      ? "orders over the network need a token: add one with `admin: true` to feed.tokens in weir.yaml"
      : "the token may read but not give orders; use one with `admin: true`";
  throw new ApiError({ status: 403, code: "forbidden", message });
}

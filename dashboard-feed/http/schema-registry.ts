import type { IncomingMessage } from "node:http";
import { SCHEMA_REGISTRY, type SchemaReply, type SchemaRequest } from "../../contracts/schemas.ts";
import type { Access, Grant } from "../common/access.ts";
import { ApiError } from "./api-error.ts";
import { askService, INGEST } from "./ask-service.ts";
import { readBytes } from "./body.ts";
import type { ApiContext } from "./operation.ts";
import { type Exchange, send } from "./responses.ts";

/**
 * The paths of Confluent's Schema Registry, at the root, where its clients expect them. The ingest owns the registry
 * and answers; here are only access and the form of HTTP.
 */
const ROOTS: ReadonlySet<string> = new Set(["subjects", "schemas", "compatibility", "config", "mode"]);
const METHODS = ["GET", "POST", "PUT", "DELETE"] as const;
const REGISTRY_TYPE = "application/vnd.schemaregistry.v1+json";
const BODY_BYTES_MAX = 512 * 1_024;
const URL_LENGTH_MAX = 8_192;

export function isRegistryPath(path: string): boolean {
  return ROOTS.has(path.split("/", 2)[1] ?? "");
}

export async function answerRegistryRequest(
  exchange: Exchange,
  path: string,
  { access, context }: { readonly access: Access; readonly context: ApiContext },
): Promise<void> {
  const reply = await replyTo(exchange, path, { access, context });
  const isText = typeof reply.body === "string" && path.endsWith("/schema");
  const text = isText ? String(reply.body) : JSON.stringify(reply.body);
  send(exchange.response, { text, status: reply.status, type: REGISTRY_TYPE });
}

async function replyTo(
  { request, response }: Exchange,
  path: string,
  { access, context }: { readonly access: Access; readonly context: ApiContext },
): Promise<SchemaReply> {
  try {
    const asked = await requestOf(request, path);
    const grant = grantOf(request, access);
    if (changes(asked)) requireOrders(request, grant, access);
    return await askService(context.log.bus, SCHEMA_REGISTRY, asked, INGEST);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { status, message } = error.problem;
    if (status === 401) response.setHeader("WWW-Authenticate", 'Bearer realm="weir", Basic realm="weir"');
    return { status, body: { error_code: status, message } };
  }
}

async function requestOf(request: IncomingMessage, path: string): Promise<SchemaRequest> {
  const url = request.url ?? "";
  if (url.length > URL_LENGTH_MAX) throw refused(414, `the URL is longer than ${URL_LENGTH_MAX}`);
  const method = METHODS.find((each) => each === (request.method === "HEAD" ? "GET" : request.method));
  if (method === undefined) throw refused(405, `${request.method} is not allowed here`);
  const query = Object.fromEntries(new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : ""));
  const asked = { method, path: partsOf(path), query };
  if (method === "GET" || method === "DELETE") return asked;
  // A form on another page can send neither JSON nor this type without asking first.
  const type = (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (!/^application\/(?:[\w.-]+\+)?json$|^application\/octet-stream$/.test(type)) {
    throw refused(415, `send JSON, with the header content-type: ${REGISTRY_TYPE}`);
  }
  const bytes = await readBytes(request, BODY_BYTES_MAX);
  try {
    return { ...asked, body: JSON.parse(bytes.toString("utf8")) };
  } catch {
    throw refused(400, "the body is not JSON");
  }
}

function partsOf(path: string): string[] {
  try {
    const parts = path.split("/").slice(1).map(decodeURIComponent);
    return parts.at(-1) === "" ? parts.slice(0, -1) : parts;
  } catch {
    throw refused(400, "the path is not percent-encoded");
  }
}

/** Looking up a schema and checking one are POSTs that change nothing. */
function changes({ method, path }: SchemaRequest): boolean {
  if (method !== "POST") return method !== "GET";
  return path[0] === "subjects" && path[2] === "versions";
}

/** The token is a bearer, or the password of basic authentication, which most clients of registries send. */
function grantOf(request: IncomingMessage, access: Access): Grant {
  const basic = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (basic !== undefined) {
    const password = Buffer.from(basic, "base64")
      .toString("utf8")
      .replace(/^[^:]*:/, "");
    const grant = access.grantFor(password);
    if (grant === undefined) throw refused(401, "the password is no token of feed.tokens");
    return grant;
  }
  const shown = access.shownBy(request);
  if (shown.state === "granted") return shown.grant;
  throw refused(401, shown.state === "none" ? "send a token as bearer, or as password" : "the token is unknown");
}

function requireOrders(request: IncomingMessage, grant: Grant, access: Access): void {
  if (!access.orderOriginAllowed(request))
    throw refused(403, "changes are accepted from programs, not from other pages");
  if (!grant.orders)
    throw refused(403, "changes need a token with `admin: true`, or a loopback address without tokens");
}

function refused(status: number, message: string): ApiError {
  return new ApiError({ status, code: "registry", message });
}

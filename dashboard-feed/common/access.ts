import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { CHANNEL_KINDS, CHANNELS, type Channel } from "../../contracts/feed/channels.ts";
import { UserError } from "../../domain/user-error.ts";
import { secretValue } from "../../platform/files/secret-values.ts";
import { type FeedConfig, isLoopback, type TokenConfig } from "./config.ts";

/** Browsers cannot set headers, so they offer `weir.bearer.<base64url>` beside the protocol itself. */
const BEARER_PROTOCOL = "weir.bearer.";
const TOKEN_LENGTH_MIN = 16;

/** What the holder of a token may see and do. */
export interface Grant {
  readonly name: string;
  readonly channels: ReadonlySet<Channel>;
  /** Patterns of the sites that the token shows. Undefined shows all items, including those without a site. */
  readonly sites: readonly string[] | undefined;
  /** May give orders: acknowledge, silence, retry dead letters. */
  readonly orders: boolean;
}

/** A client whose request has no token may still send one in its first frame. */
export type Shown =
  | { readonly state: "granted"; readonly grant: Grant }
  | { readonly state: "unknown" }
  | { readonly state: "none" };

export interface Access {
  /** What a request's token allows. If no tokens are configured, everything. */
  shownBy(request: IncomingMessage): Shown;
  grantFor(token: string): Grant | undefined;
  /** The grant for operations that are open to everyone: it shows nothing. */
  readonly nobody: Grant;
  /** Whether the request names this server, and not a foreign host name that resolves to this machine. */
  hostAllowed(request: IncomingMessage): boolean;
  /** Whether the request's origin may connect: our own page, a listed page, or a client that is not a page. */
  originAllowed(request: IncomingMessage): boolean;
  /** Whether an order comes from our own page or from a program. Other pages may read, but never give orders. */
  orderOriginAllowed(request: IncomingMessage): boolean;
  /** Whether an origin is in the list of other pages. */
  originListed(origin: string): boolean;
}

export class TokenConfigError extends UserError {
  override readonly name = "TokenConfigError";
}

/** Throws SecretError when a token of the configuration is missing, TokenConfigError when it is too short. */
export function createAccess(config: FeedConfig, env: Readonly<Record<string, string | undefined>>): Access {
  const known = config.tokens?.map((token) => ({ digest: digestOf(token, env), grant: grantOf(token) }));
  const everything: Grant = {
    name: "",
    channels: new Set(CHANNELS),
    sites: undefined,
    // A client that reaches a loopback address is on this machine. Other clients without a token may only read.
    orders: isLoopback(config.bind),
  };
  const listed = new Set(config.allowed_origins);
  const listedHosts = new Set(config.allowed_origins.map(hostnameOf));
  // Without tokens, only clients on this machine are trusted. A foreign name that resolves to it must not be.
  const hostMatters = isLoopback(config.bind) && known === undefined && !listed.has("*");

  function grantFor(token: string): Grant | undefined {
    if (known === undefined) return everything;
    const digest = sha256(token);
    // Compares every token, so that the time taken reveals nothing.
    return known.filter((each) => timingSafeEqual(each.digest, digest))[0]?.grant;
  }

  return {
    shownBy(request) {
      const token = tokenOf(request);
      if (known === undefined) return { state: "granted", grant: everything };
      if (token === undefined) return { state: "none" };
      const grant = grantFor(token);
      return grant === undefined ? { state: "unknown" } : { state: "granted", grant };
    },
    grantFor,
    nobody: { name: "", channels: new Set(), sites: undefined, orders: false },
    hostAllowed(request) {
      if (!hostMatters) return true;
      const host = hostnameOf(`http://${request.headers.host ?? ""}`);
      return host !== undefined && (isLoopback(host) || host.endsWith(".localhost") || listedHosts.has(host));
    },
    originAllowed(request) {
      const { origin, host } = request.headers;
      if (origin === undefined) return true;
      return listed.has("*") || listed.has(origin) || (host !== undefined && hostOf(origin) === host.toLowerCase());
    },
    orderOriginAllowed(request) {
      const { origin, host } = request.headers;
      const site = request.headers["sec-fetch-site"];
      if (site !== undefined && site !== "same-origin" && site !== "none") return false;
      return origin === undefined || (host !== undefined && hostOf(origin) === host.toLowerCase());
    },
    originListed: (origin) => listed.has("*") || listed.has(origin),
  };
}

/** The subprotocols that a client offers, in the client's order. */
export function offeredProtocols(request: IncomingMessage): string[] {
  const header = request.headers["sec-websocket-protocol"] ?? "";
  return header
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function grantOf({ name, sites, channels, admin }: TokenConfig): Grant {
  const unrestricted = admin || sites.some((pattern) => /^\*+$/.test(pattern));
  const wanted = admin ? CHANNELS : channels;
  return {
    name,
    channels: new Set(wanted.filter((channel) => unrestricted || !CHANNEL_KINDS[channel].allSitesOnly)),
    sites: unrestricted ? undefined : sites,
    orders: admin,
  };
}

function tokenOf(request: IncomingMessage): string | undefined {
  const header = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (header !== undefined) return header;
  const offered = offeredProtocols(request).find((name) => name.startsWith(BEARER_PROTOCOL));
  return offered && Buffer.from(offered.slice(BEARER_PROTOCOL.length), "base64url").toString("utf8");
}

function digestOf(token: TokenConfig, env: Readonly<Record<string, string | undefined>>): Buffer {
  if (token.sha256 !== undefined) return Buffer.from(token.sha256, "hex");
  const { token_env, token_file } = token;
  const secret = secretValue(`feed token "${token.name}"`, { env: token_env, file: token_file }, env) ?? "";
  if (secret.length >= TOKEN_LENGTH_MIN) return sha256(secret);
  throw new TokenConfigError(
    `feed token "${token.name}": the token in ${token_env ?? token_file} has ${secret.length} characters; ` +
      `use one of at least ${TOKEN_LENGTH_MIN}, for example from \`openssl rand -hex 24\``,
  );
}

function sha256(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** Without the port, and without the brackets of an IPv6 address. */
function hostnameOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).hostname.replace(/^\[|\]$/g, "") : undefined;
}

import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type FeedConfig, isLoopback, type Scope } from "./config.ts";

/** Offered beside the protocol itself by clients that cannot set headers (browsers): `weir.bearer.<base64url>`. */
const BEARER_PROTOCOL = "weir.bearer.";

/** What the holder of a token may do. */
export type Grant = (scope: Scope) => boolean;

export interface Access {
  /** Undefined when tokens are wanted and the request shows none that is known. */
  grantOf(request: IncomingMessage): Grant | undefined;
  /** Whether the request was meant for this server: a foreign name that was pointed at this machine is no such. */
  hostAllowed(request: IncomingMessage): boolean;
  /** Whether the page that asks may: one of ours, or none. */
  originAllowed(request: IncomingMessage): boolean;
  /** Whether the page that asks is on the list of other pages. */
  originListed(origin: string): boolean;
}

export function createAccess(config: FeedConfig): Access {
  const known = config.tokens?.map(({ token, scopes }) => ({
    digest: digestOf(token),
    scopes: new Set<Scope>(scopes),
  }));
  const listed = new Set(config.allowedOrigins);
  const listedHosts = new Set(config.allowedOrigins.map(hostnameOf));
  // Without tokens, being on this machine is the permission, and a name resolved to it must not borrow that.
  const hostMatters = isLoopback(config.bind) && known === undefined && !listed.has("*");

  return {
    grantOf(request) {
      if (known === undefined) return () => true;
      const shown = tokenOf(request);
      if (shown === undefined) return undefined;
      const digest = digestOf(shown);
      const found = known.filter((token) => timingSafeEqual(token.digest, digest))[0];
      return found && ((scope) => found.scopes.has(scope));
    },
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
    originListed: (origin) => listed.has("*") || listed.has(origin),
  };
}

/** The subprotocols that a client offers, in its order. */
export function offeredProtocols(request: IncomingMessage): string[] {
  const header = request.headers["sec-websocket-protocol"] ?? "";
  return header
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function tokenOf(request: IncomingMessage): string | undefined {
  const header = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (header !== undefined) return header;
  const offered = offeredProtocols(request).find((name) => name.startsWith(BEARER_PROTOCOL));
  return offered && Buffer.from(offered.slice(BEARER_PROTOCOL.length), "base64url").toString("utf8");
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** Without port, and without the brackets of an IPv6 address. */
function hostnameOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).hostname.replace(/^\[|\]$/g, "") : undefined;
}

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import { US_PER_MS } from "../../domain/time.ts";
import type { BrokerConfig } from "../common/config.ts";
import type { BrokerEvents } from "../common/events.ts";

const SUBPROTOCOL = "mqtt";
const PING_MS = 30_000;
/** A WebSocket message may hold several MQTT packets, or parts of them. */
const EXTRA_BYTES = 64 * 1024;
/** How long a client may take to close its end after it was refused or broke the protocol. */
const CLOSE_MS_MAX = 2_000;
const TIMEOUT_SWEEP_MS = 1_000;
const UNSUPPORTED_DATA = 1003;
const TEXT_FRAME = "MQTT needs binary frames, this is a text frame";

/** A server for MQTT over WebSocket. `onBytes` gets the bytes of each WebSocket and its socket. */
export function createWebListener(
  config: BrokerConfig,
  events: BrokerEvents,
  onBytes: (bytes: Duplex, socket: Socket) => void,
): Server {
  const { connect_timeout, packet_size_max: packetBytesMax } = config.limits;
  const connectTimeoutMs = connect_timeout / US_PER_MS;
  const timeouts = {
    headersTimeout: connectTimeoutMs,
    requestTimeout: connectTimeoutMs,
    connectionsCheckingInterval: Math.min(connectTimeoutMs, TIMEOUT_SWEEP_MS),
  };
  const server = createServer(timeouts, (_request, response) => {
    response.writeHead(426, { "Content-Type": "text/plain", Upgrade: "websocket" });
    response.end("This is MQTT over WebSocket: connect with the subprotocol mqtt.\n");
  });
  // A variable, because the types of ws lack `closeTimeout`.
  const options = {
    noServer: true,
    maxPayload: packetBytesMax + EXTRA_BYTES,
    perMessageDeflate: false,
    closeTimeout: CLOSE_MS_MAX,
    handleProtocols: (offered: ReadonlySet<string>) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  };
  const webSockets = new WebSocketServer(options);
  server.on("upgrade", (request, socket, head) => {
    const address = request.socket.remoteAddress ?? "unknown";
    const deadline = setTimeout(() => socket.destroy(), CLOSE_MS_MAX);
    socket.once("close", () => clearTimeout(deadline));
    if (!originAllowed(request, config.ws_origins)) {
      events.connectionRefused("web-origin", address, request.headers.origin);
      socket.resume();
      socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      clearTimeout(deadline);
      onBytes(bytesOf(webSocket), request.socket);
    });
  });
  return server;
}

/** The bytes of a WebSocket's binary frames. */
function bytesOf(webSocket: WebSocket): Duplex {
  const ping = setInterval(() => webSocket.ping(), PING_MS);
  webSocket.once("close", () => clearInterval(ping));
  const bytes = createWebSocketStream(webSocket);
  // Both may fail before Aedes listens and after it has stopped.
  webSocket.on("error", ignore);
  bytes.on("error", ignore);
  webSocket.on("message", (_message, isBinary) => {
    if (isBinary) return;
    // [MQTT-6.0.0-1]
    webSocket.close(UNSUPPORTED_DATA, TEXT_FRAME);
    bytes.destroy(new Error(TEXT_FRAME));
  });
  return bytes;
}

/** A foreign page must not reach the broker through a visitor's browser. Other programs send no Origin. */
function originAllowed(request: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin } = request.headers;
  if (origin === undefined || allowed.includes("*") || allowed.includes(origin)) return true;
  const host = request.headers.host?.replace(/:\d+$/, "");
  return URL.canParse(origin) && new URL(origin).hostname === host;
}

function ignore(): void {}

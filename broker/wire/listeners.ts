import { readFile } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { createWebSocketStream, WebSocketServer } from "ws";
import { PortInUseError } from "../../platform/errors.ts";
import type { BrokerConfig } from "../common/config.ts";
import type { BrokerEvents } from "../common/events.ts";
import { onFileChange } from "../common/file-watch.ts";

export interface Listeners {
  readonly mqttPort: number;
  readonly wsPort: number | undefined;
  readonly tlsPort: number | undefined;
  /** Takes no more connections; those that are there stay. */
  close(): void;
}

/** A connection is there: its bytes, and where it comes from. */
export type OnConnection = (conn: Duplex, address: string) => void;

const BACKLOG = 4096;
const TCP_KEEPALIVE_MS = 60_000;
const SUBPROTOCOL = "mqtt";
const WS_PING_MS = 30_000;
/** A WebSocket message may hold several MQTT packets, or parts of them. */
const WS_EXTRA_BYTES = 64 * 1024;

/**
 * Listens on all that the configuration names.
 * @throws PortInUseError when an address is taken; nothing listens then
 */
export async function listen(
  config: BrokerConfig,
  events: BrokerEvents,
  onConnection: OnConnection,
): Promise<Listeners> {
  const closers: (() => void)[] = [];
  const close = () => {
    for (const closer of closers.splice(0)) closer();
  };
  const tcpOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEPALIVE_MS };
  const onSocket = (socket: Socket) => onConnection(socket, socket.remoteAddress ?? "unknown");
  try {
    const mqtt = createServer(tcpOptions, onSocket);
    const mqttPort = await listenOn(mqtt, config, { port: config.mqttPort, setting: "--mqtt-port or WEIR_MQTT_PORT" });
    closers.push(() => mqtt.close());
    let tlsPort: number | undefined;
    if (config.tls !== undefined) {
      const tls = createTlsServer({ ...tcpOptions, ...(await readCertificate(config.tls)) }, onSocket);
      tls.on("tlsClientError", (error, socket) => {
        events.connectionRefused("protocol-error", socket.remoteAddress ?? "unknown", error.message);
      });
      tlsPort = await listenOn(tls, config, { port: config.tls.port, setting: "broker.tls.port in weir.yaml" });
      closers.push(() => tls.close(), followCertificate(tls, config.tls, events));
    }
    let wsPort: number | undefined;
    if (config.wsPort !== undefined) {
      const web = createWebListener(config, events, onConnection);
      wsPort = await listenOn(web.server, config, {
        port: config.wsPort,
        setting: "--mqtt-ws-port or WEIR_MQTT_WS_PORT",
      });
      closers.push(web.close);
    }
    return { mqttPort, wsPort, tlsPort, close };
  } catch (error) {
    close();
    throw error;
  }
}

function listenOn(
  server: Server,
  { bind }: BrokerConfig,
  { port, setting }: { readonly port: number; readonly setting: string },
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EADDRINUSE") return reject(error);
      reject(new PortInUseError({ what: "the MQTT broker", host: bind, port, setting }));
    });
    server.listen({ host: bind, port, backlog: BACKLOG }, () => {
      const address = server.address();
      resolve(address !== null && typeof address === "object" ? address.port : port);
    });
  });
}

interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

async function readCertificate({ certFile, keyFile }: TlsFiles): Promise<{ cert: Buffer; key: Buffer }> {
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  return { cert, key };
}

function followCertificate(server: TlsServer, files: TlsFiles, events: BrokerEvents): () => void {
  return onFileChange(files.certFile, () => {
    readCertificate(files)
      .then((certificate) => {
        server.setSecureContext(certificate);
        events.certificateLoaded(files.certFile);
      })
      .catch((error: unknown) => events.certificateNotLoaded(files.certFile, error));
  });
}

function createWebListener(config: BrokerConfig, events: BrokerEvents, onConnection: OnConnection) {
  const server = createHttpServer((_request, response) => {
    response.writeHead(426, { "Content-Type": "text/plain", Upgrade: "websocket" });
    response.end("This is MQTT over WebSocket: connect with the subprotocol mqtt.\n");
  });
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: config.limits.packetBytesMax + WS_EXTRA_BYTES,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    if (!originAllowed(request, config.wsOrigins)) {
      events.connectionRefused("web-origin", addressOf(request), request.headers.origin);
      socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.removeAllListeners("error");
      const ping = setInterval(() => webSocket.ping(), WS_PING_MS);
      webSocket.once("close", () => clearInterval(ping));
      onConnection(createWebSocketStream(webSocket), addressOf(request));
    });
  });
  return { server, close: () => void server.close() };
}

function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? "unknown";
}

/** A page from elsewhere must not use a visitor's browser to get at the broker; programs send no Origin. */
function originAllowed(request: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin } = request.headers;
  if (origin === undefined || allowed.includes("*") || allowed.includes(origin)) return true;
  const host = request.headers.host?.replace(/:\d+$/, "");
  return URL.canParse(origin) && new URL(origin).hostname === host;
}

import { readFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type TlsOptions, type Server as TlsServer } from "node:tls";
import { US_PER_MS } from "../../domain/time.ts";
import { PortInUseError } from "../../platform/errors.ts";
import { onFileChange } from "../../platform/files/file-watch.ts";
import type { BrokerConfig } from "../common/config.ts";
import type { BrokerEvents } from "../common/events.ts";
import type { Newcomers } from "./newcomers.ts";
import { createWebListener } from "./web-listener.ts";

export interface Listeners {
  readonly mqttPort: number;
  readonly wsPort: number | undefined;
  readonly tlsPort: number | undefined;
  /** Stops accepting connections; open ones continue. */
  close(): void;
}

/** A new connection: its stream of bytes, and the socket below it. */
export type OnConnection = (conn: Duplex, socket: Socket) => void;

export interface ListenersOptions {
  readonly config: BrokerConfig;
  readonly events: BrokerEvents;
  readonly newcomers: Pick<Newcomers, "add">;
  readonly onConnection: OnConnection;
}

const BACKLOG = 4096;
const TCP_KEEPALIVE_MS = 60_000;

/**
 * Listens on every port of the configuration.
 * @throws PortInUseError if a port is taken; then nothing listens
 */
export async function listen(options: ListenersOptions): Promise<Listeners> {
  const { config, events, onConnection } = options;
  const closers: (() => void)[] = [];
  const close = () => {
    for (const closer of closers.splice(0)) closer();
  };
  // A client that sends no more may still wait for acknowledgements.
  const halfOpen = { allowHalfOpen: true };
  const tcpOptions = { ...halfOpen, noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEPALIVE_MS };
  const onSocket = (socket: Socket) => onConnection(socket, socket);
  try {
    const mqtt = createServer(tcpOptions, onSocket);
    const mqttPort = await listenOn(mqtt, options, {
      port: config.mqtt_port,
      setting: "--mqtt-port or WEIR_MQTT_PORT",
    });
    closers.push(() => mqtt.close());
    let tlsPort: number | undefined;
    if (config.tls !== undefined) {
      const tls = createTls({ ...tcpOptions, ...(await readCertificate(config.tls)) }, config, events, onSocket);
      tlsPort = await listenOn(tls, options, { port: config.tls.port, setting: "broker.tls.port in weir.yaml" });
      closers.push(() => tls.close(), followCertificate(tls, config.tls, events));
    }
    let wsPort: number | undefined;
    if (config.ws_port !== undefined) {
      const web = createWebListener(config, events, onConnection);
      wsPort = await listenOn(web, options, {
        port: config.ws_port,
        setting: "--mqtt-ws-port or WEIR_MQTT_WS_PORT",
      });
      closers.push(() => {
        web.close();
        // Only those that have not become WebSockets.
        web.closeAllConnections();
      });
    }
    return { mqttPort, wsPort, tlsPort, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Listens. Errors of the server or its sockets never end the process, whatever their state. */
function listenOn(
  server: Server,
  { config: { bind }, events, newcomers }: ListenersOptions,
  { port, setting }: { readonly port: number; readonly setting: string },
): Promise<number> {
  // From accept to close: TLS, HTTP, WebSocket and MQTT each handle errors only while they own the socket.
  server.on("connection", destroyOnError);
  server.on("connection", (socket: Socket) => newcomers.add(socket));
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      if (error.code !== "EADDRINUSE") return reject(error);
      reject(new PortInUseError({ what: "the MQTT broker", host: bind, port, setting }));
    };
    server.once("error", failed);
    server.listen({ host: bind, port, backlog: BACKLOG }, () => {
      server.off("error", failed);
      server.on("error", (error) => events.acceptFailed(error));
      const address = server.address();
      resolve(address !== null && typeof address === "object" ? address.port : port);
    });
  });
}

function destroyOnError(socket: Socket): void {
  socket.on("error", () => socket.destroy());
}

function createTls(
  options: TlsOptions,
  { limits }: BrokerConfig,
  events: BrokerEvents,
  onSocket: (socket: Socket) => void,
): TlsServer {
  const server = createTlsServer({ ...options, handshakeTimeout: limits.connect_timeout / US_PER_MS }, (socket) => {
    destroyOnError(socket);
    onSocket(socket);
  });
  server.on("tlsClientError", (error, socket) => {
    events.connectionRefused("protocol-error", socket.remoteAddress ?? "unknown", error.message);
    // Node leaves the socket open when its handshake times out.
    socket.destroy();
  });
  return server;
}

interface TlsFiles {
  readonly cert_file: string;
  readonly key_file: string;
}

async function readCertificate({ cert_file, key_file }: TlsFiles): Promise<{ cert: Buffer; key: Buffer }> {
  const [cert, key] = await Promise.all([readFile(cert_file), readFile(key_file)]);
  return { cert, key };
}

function followCertificate(server: TlsServer, files: TlsFiles, events: BrokerEvents): () => void {
  return onFileChange(files.cert_file, () => {
    readCertificate(files)
      .then((certificate) => {
        server.setSecureContext(certificate);
        events.certificateLoaded(files.cert_file);
      })
      .catch((error: unknown) => events.certificateNotLoaded(files.cert_file, error));
  });
}

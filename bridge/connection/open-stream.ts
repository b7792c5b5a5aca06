import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { createWebSocketStream, WebSocket } from "ws";
import { hostOf } from "../common/reasons.ts";

/** The contents of the files that the configuration names. */
export interface TlsSecrets {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
}

/** A connection to the address: TCP, TLS or WebSocket. Errors come by its `error` event. */
export function openStream(
  url: string,
  { tls, payloadBytesMax }: { readonly tls: TlsSecrets; readonly payloadBytesMax: number },
): Duplex {
  const { hostname: host, port } = hostOf(url);
  const { protocol } = new URL(url);
  if (protocol === "mqtt:") return connectTcp({ host, port, noDelay: true });
  if (protocol === "mqtts:") {
    const socket = connectTls({ host, port, servername: isAddress(host) ? "" : host, ...tls, minVersion: "TLSv1.2" });
    socket.setNoDelay(true);
    return socket;
  }
  // A browser's protocol name: "mqtt" is registered for both versions.
  return createWebSocketStream(new WebSocket(url, "mqtt", { maxPayload: payloadBytesMax, ...tls }));
}

/** TLS has no server names for addresses. */
function isAddress(host: string): boolean {
  return host.includes(":") || /^[\d.]+$/.test(host);
}

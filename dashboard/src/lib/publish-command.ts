import type { BrokerListeners } from "../../../contracts/listeners.ts";

export interface Reach {
  /** `mqtt://gateway.example:1883` */
  readonly urls: readonly string[];
  /** Why a device cannot use these addresses as they are. */
  readonly note: string | undefined;
}

/** The addresses of the broker for devices, as far as this page can know: it was loaded from `pageHost`. */
export function reachFrom(listeners: BrokerListeners, pageHost: string): Reach {
  const host = hostFor(listeners.bind, pageHost);
  const urls = listeners.listeners.map(({ protocol, port }) => {
    return `${protocol}://${bracketed(host)}:${port}${protocol === "ws" ? "/mqtt" : ""}`;
  });
  const note =
    isLoopback(listeners.bind) && !isLoopback(pageHost)
      ? "The broker accepts connections from its own machine only. Start Weir with --bind to open it."
      : undefined;
  return { urls, note };
}

/** A command that sends the example; undefined if no source accepts a plain message. */
export function publishCommand(listeners: BrokerListeners, pageHost: string): string | undefined {
  const { example, users } = listeners;
  const plain = listeners.listeners.find(({ protocol }) => protocol === "mqtt");
  if (example === undefined || plain === undefined) return undefined;
  const login = users ? "-u USER -P PASSWORD " : "";
  const where = `-h ${hostFor(listeners.bind, pageHost)} -p ${plain.port}`;
  return `mosquitto_pub ${where} ${login}-q 1 -t ${quoted(example.topic)} -m ${quoted(example.payload)}`;
}

/** A broker on all addresses is where the page came from. */
function hostFor(bind: string, pageHost: string): string {
  const host = bind === "0.0.0.0" || bind === "::" ? pageHost : bind;
  return host.replace(/^\[(.*)\]$/, "$1");
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** For a shell: names are safe as they are, and everything else goes between apostrophes. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

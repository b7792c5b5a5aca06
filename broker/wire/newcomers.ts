import type { Socket } from "node:net";

export interface NewcomersOptions {
  readonly max: number;
  readonly perAddressMax: number;
  readonly nowMs: () => number;
  readonly onEvicted: (address: string) => void;
}

interface Newcomer {
  readonly socket: Socket;
  readonly address: string;
  readonly sinceMs: number;
}

/**
 * Above a bound, a connection is closed only after this time: the CONNECT of an honest one may be on its way. At twice
 * the bound no time is left.
 */
const GRACE_MS = 1_000;
const HARD_FACTOR = 2;
const SWEEP_MS = 100;
/** A network of this size may belong to one machine: its addresses count as one. */
const IPV6_GROUPS = 4;

/**
 * Sockets whose client has not sent its CONNECT, from accept on: also those in a TLS handshake or an upgrade to a
 * WebSocket. They are cheap to open, so they must not shut out clients: above a bound, in total or for one address,
 * the one that has been silent the longest is closed. Of several addresses, the one with the most pays.
 */
export class Newcomers {
  readonly #options: NewcomersOptions;
  readonly #byKey = new Map<string, Newcomer>();
  /** Oldest first. */
  readonly #byAddress = new Map<string, Set<Newcomer>>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: NewcomersOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#evictAboveBounds(), SWEEP_MS);
    this.#timer.unref();
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** A socket that was just accepted. */
  add(socket: Socket): void {
    const key = keyOf(socket);
    const address = networkOf(socket.remoteAddress ?? "unknown");
    const newcomer: Newcomer = { socket, address, sinceMs: this.#options.nowMs() };
    this.#byKey.set(key, newcomer);
    const ofAddress = this.#byAddress.get(address) ?? new Set();
    this.#byAddress.set(address, ofAddress.add(newcomer));
    socket.once("close", () => this.#remove(key, newcomer));
    this.#evictAboveBounds();
  }

  /** Its CONNECT has arrived. `socket` may also be the TLS socket above the one that was added. */
  settled(socket: Socket): void {
    const key = keyOf(socket);
    const newcomer = this.#byKey.get(key);
    if (newcomer !== undefined) this.#remove(key, newcomer);
  }

  /** Makes room for a socket: closes the oldest other one of the address that has the most. False if there is none. */
  evictFor(socket: Socket): boolean {
    const key = keyOf(socket);
    for (const newcomer of this.#largest()) {
      if (keyOf(newcomer.socket) === key) continue;
      this.#evict(newcomer);
      return true;
    }
    return false;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #evictAboveBounds(): void {
    const { max, perAddressMax } = this.#options;
    while (this.size > max && this.#evictFrom(this.#largest(), this.size > max * HARD_FACTOR));
    for (const ofAddress of this.#byAddress.values()) {
      while (
        ofAddress.size > perAddressMax &&
        this.#evictFrom(ofAddress, ofAddress.size > perAddressMax * HARD_FACTOR)
      );
    }
  }

  #evictFrom(ofAddress: ReadonlySet<Newcomer>, isUrgent: boolean): boolean {
    const [newcomer] = ofAddress;
    if (newcomer === undefined) return false;
    if (!isUrgent && this.#options.nowMs() - newcomer.sinceMs < GRACE_MS) return false;
    this.#evict(newcomer);
    return true;
  }

  #evict(newcomer: Newcomer): void {
    this.#remove(keyOf(newcomer.socket), newcomer);
    newcomer.socket.destroy();
    this.#options.onEvicted(newcomer.address);
  }

  #largest(): ReadonlySet<Newcomer> {
    let largest: ReadonlySet<Newcomer> = NONE;
    for (const ofAddress of this.#byAddress.values()) if (ofAddress.size > largest.size) largest = ofAddress;
    return largest;
  }

  #remove(key: string, newcomer: Newcomer): void {
    if (this.#byKey.get(key) === newcomer) this.#byKey.delete(key);
    const ofAddress = this.#byAddress.get(newcomer.address);
    ofAddress?.delete(newcomer);
    if (ofAddress?.size === 0) this.#byAddress.delete(newcomer.address);
  }
}

const NONE: ReadonlySet<Newcomer> = new Set();

/** The same for a TLS socket and the TCP socket below it. */
function keyOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localPort}`;
}

function networkOf(address: string): string {
  if (!address.includes(":") || address.startsWith("::ffff:")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head.split(":").filter((group) => group !== "");
  const missing = tail === undefined ? 0 : IPV6_GROUPS - groups.length;
  return [...groups.slice(0, IPV6_GROUPS), ...Array.from({ length: Math.max(0, missing) }, () => "0")].join(":");
}

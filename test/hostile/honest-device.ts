import type { Ports } from "./client.ts";
import { RawClient } from "./client.ts";

export interface Waits {
  readonly max: number;
  readonly p99: number;
  readonly messages: number;
}

const EVERY_MS = 20;

/** A device that publishes fifty times a second, and measures how long it waits for each acknowledgement. */
export class HonestDevice {
  readonly #client: RawClient;
  readonly #sentAtMs = new Map<number, number>();
  #waits: number[] = [];
  readonly #timer: NodeJS.Timeout;

  private constructor(client: RawClient) {
    this.#client = client;
    this.#timer = setInterval(() => this.#publish(), EVERY_MS);
  }

  static async start(ports: Ports): Promise<HonestDevice> {
    const on: { acknowledged?: (id: number) => void } = {};
    const client = await RawClient.connected("tcp", ports, "honest", { onPuback: (id) => on.acknowledged?.(id) });
    const device = new HonestDevice(client);
    on.acknowledged = (id) => device.#acknowledged(id);
    return device;
  }

  get sent(): number {
    return this.#client.sent;
  }

  get closed(): boolean {
    return this.#client.closed;
  }

  /** The waits since the last call, including those of messages that still wait. */
  takeWaits(): Waits {
    const nowMs = performance.now();
    const open = [...this.#sentAtMs.values()].map((sentMs) => nowMs - sentMs);
    const all = [...this.#waits, ...open].sort((a, b) => a - b);
    this.#waits = [];
    return { max: all.at(-1) ?? 0, p99: all[Math.floor(all.length * 0.99)] ?? 0, messages: all.length };
  }

  /** Stops publishing; resolves when everything is acknowledged. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#client.settled();
    this.#client.end();
  }

  #publish(): void {
    const n = this.#client.sent;
    const id = this.#client.publish("sensors/s/honest/telemetry", JSON.stringify({ ts: 1.7e9 + n, n }));
    this.#sentAtMs.set(id, performance.now());
  }

  #acknowledged(id: number): void {
    const sentMs = this.#sentAtMs.get(id);
    if (sentMs === undefined) return;
    this.#sentAtMs.delete(id);
    this.#waits.push(performance.now() - sentMs);
  }
}

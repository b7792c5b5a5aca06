import { readFile } from "node:fs/promises";
import type { GatewayProcess } from "../servers/gateway-process.ts";

/** What became of the messages, since the gateway's start. */
export interface Accounts {
  readonly received: number;
  readonly stored: number;
  readonly deadLettered: number;
  readonly dropped: number;
  readonly unkept: number;
}

const POLL_MS = 200;
const SETTLE_MS_MAX = 90_000;
const PAGE_KIB = 4;

async function accountsOf(gateway: GatewayProcess): Promise<Accounts | undefined> {
  const metrics = await gateway.metrics();
  if (metrics === undefined) return undefined;
  const count = (name: string) => metrics.get(name) ?? 0;
  return {
    received: count("weir_ingest_messages_total"),
    stored: count("weir_ingest_stored_total"),
    deadLettered: count("weir_ingest_dead_letters_total"),
    dropped: count("weir_ingest_dropped_total"),
    unkept: count("weir_ingest_unkept_total"),
  };
}

export function difference(after: Accounts, before: Accounts): Accounts {
  return {
    received: after.received - before.received,
    stored: after.stored - before.stored,
    deadLettered: after.deadLettered - before.deadLettered,
    dropped: after.dropped - before.dropped,
    unkept: after.unkept - before.unkept,
  };
}

export function isBalanced({ received, stored, deadLettered, dropped }: Accounts): boolean {
  return received === stored + deadLettered + dropped;
}

/** The accounts once they balance and have at least `receivedMin` messages, or after a bound. */
export async function settledAccounts(gateway: GatewayProcess, receivedMin: number): Promise<Accounts> {
  const endMs = performance.now() + SETTLE_MS_MAX;
  for (;;) {
    const accounts = await accountsOf(gateway);
    const isLate = performance.now() > endMs;
    if (accounts !== undefined && (isLate || (accounts.received >= receivedMin && isBalanced(accounts)))) {
      return accounts;
    }
    if (isLate) throw new Error("the gateway serves no metrics");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Follows the resident memory of a process. Zero where there is no /proc. */
export class MemoryPeak {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #peakBytes = 0;

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => void this.#measure(), POLL_MS);
  }

  async take(): Promise<number> {
    await this.#measure();
    const peak = this.#peakBytes;
    this.#peakBytes = 0;
    return peak;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #measure(): Promise<void> {
    const text = await readFile(`/proc/${this.#pid}/statm`, "utf8").catch(() => "");
    const pages = Number(text.split(" ")[1] ?? 0);
    this.#peakBytes = Math.max(this.#peakBytes, pages * PAGE_KIB * 1024);
  }
}

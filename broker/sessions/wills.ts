import type { Cluster } from "../cluster/port.ts";
import { NEVER_EXPIRES, type SessionRecord } from "../store/port.ts";

const US_PER_S = 1_000_000;
const SWEEP_MS = 200;
/** When the edge that is to send a will has not, another look is due after this. */
const AGAIN_US = 1_000_000;

export interface WillsOptions {
  readonly nowUs: () => number;
  readonly cluster: Pick<Cluster, "isChosenFor">;
  /** The will of this session is due, and this edge is to send it. */
  readonly onDue: (clientId: string) => void;
}

/** The wills of sessions that their clients have left. Every edge knows when they are due; one of them sends each. */
export class Wills {
  readonly #options: WillsOptions;
  readonly #dueAtUs = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WillsOptions) {
    this.#options = options;
  }

  /** The session is new, or has changed, here or at another edge. */
  changed(clientId: string, record: SessionRecord | undefined): void {
    if (record?.will === undefined || record.awayAtUs === undefined) {
      this.#dueAtUs.delete(clientId);
      return;
    }
    this.#dueAtUs.set(clientId, willDueAtUs(record));
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#dueAtUs.clear();
  }

  #sweep(): void {
    const { cluster, nowUs, onDue } = this.#options;
    const now = nowUs();
    for (const [clientId, dueAtUs] of this.#dueAtUs) {
      if (dueAtUs > now) continue;
      this.#dueAtUs.set(clientId, now + AGAIN_US);
      if (cluster.isChosenFor(clientId)) onDue(clientId);
    }
    if (this.#dueAtUs.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** When the will of a session that its client has left is due: after its delay, or when the session ends. */
export function willDueAtUs({ awayAtUs = 0, expirySeconds, will }: SessionRecord): number {
  const seconds = expirySeconds === NEVER_EXPIRES ? Number.POSITIVE_INFINITY : expirySeconds;
  return awayAtUs + Math.min(will?.delaySeconds ?? 0, seconds) * US_PER_S;
}

/** Whether the session's time is over; it may still wait for its will, or for the next sweep. */
export function isOver({ awayAtUs, expirySeconds }: SessionRecord, nowUs: number): boolean {
  if (awayAtUs === undefined || expirySeconds === NEVER_EXPIRES) return false;
  return awayAtUs + expirySeconds * US_PER_S <= nowUs;
}

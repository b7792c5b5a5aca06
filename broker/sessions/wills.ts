import { NEVER_EXPIRES, type SessionRecord } from "../store/port.ts";

const US_PER_S = 1_000_000;
const SWEEP_MS = 200;

export interface WillsOptions {
  readonly nowUs: () => number;
  /** The will of this session is due. */
  readonly onDue: (clientId: string) => void;
}

/** The delayed wills of sessions that their clients have left. */
export class Wills {
  readonly #options: WillsOptions;
  readonly #dueAtUs = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WillsOptions) {
    this.#options = options;
  }

  schedule(clientId: string, dueAtUs: number): void {
    this.#dueAtUs.set(clientId, dueAtUs);
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  /** When the will of this session is due, if it waits. */
  dueAtUs(clientId: string): number | undefined {
    return this.#dueAtUs.get(clientId);
  }

  cancel(clientId: string): void {
    this.#dueAtUs.delete(clientId);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#dueAtUs.clear();
  }

  #sweep(): void {
    const nowUs = this.#options.nowUs();
    for (const [clientId, dueAtUs] of this.#dueAtUs) {
      if (dueAtUs > nowUs) continue;
      this.#dueAtUs.delete(clientId);
      this.#options.onDue(clientId);
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

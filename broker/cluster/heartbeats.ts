import { z } from "zod";
import { keyedReport } from "../../contracts/question.ts";
import { subjectToken } from "../../domain/subjects.ts";
import type { Bus } from "../../platform/log/port.ts";

/** An edge that starts waits this long for those that are there. */
const START_MS_MAX = 1_000;
const HEARTBEAT = keyedReport(
  "mqtt.edges",
  z.object({ edge: z.string(), state: z.enum(["started", "alive", "gone"]) }),
);

type State = "started" | "alive" | "gone";

export interface HeartbeatOptions {
  readonly bus: Bus;
  readonly edge: string;
  readonly everyMs: number;
  /** An edge is lost after this many of its heartbeats are missing. */
  readonly missedMax: number;
  readonly onEdge: (edge: string, state: "joined" | "lost") => void;
}

/**
 * Which edges are alive. An edge that hears itself no longer is cut off: it takes no other for dead, because it would
 * not hear it. Silence counts by heartbeats of its own that it has heard, so no two clocks are compared.
 */
export class Heartbeats {
  readonly #options: HeartbeatOptions;
  /** Other edges, with the own heartbeats heard since theirs. */
  readonly #missed = new Map<string, number>();
  #stopListening: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #heardSelf = 0;
  #onEcho: () => void = () => {};

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** Resolves once the others have had the time to answer, when the bus is up. */
  async start(): Promise<void> {
    const { bus, everyMs } = this.#options;
    this.#stopListening = bus.subscribe(HEARTBEAT, ({ edge, state }) => this.#heard(edge, state));
    this.#timer = setInterval(() => this.#beat("alive"), everyMs);
    this.#timer.unref();
    await this.#echo("started");
    // An answer to the first is on its way before this one comes back.
    await this.#echo("alive");
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#stopListening();
    this.#beat("gone");
  }

  /** Whether every edge that is alive was heard: not just after the start. */
  get isSettled(): boolean {
    return this.#heardSelf > this.#options.missedMax;
  }

  /** Of the other edges. */
  get count(): number {
    return this.#missed.size;
  }

  others(): Iterable<string> {
    return this.#missed.keys();
  }

  async #echo(state: "started" | "alive"): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, START_MS_MAX);
      this.#onEcho = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#beat(state);
    });
    this.#onEcho = () => {};
  }

  #beat(state: State): void {
    const { bus, edge } = this.#options;
    bus.publish(HEARTBEAT, { edge, state }, subjectToken(edge));
  }

  #heard(edge: string, state: State): void {
    if (edge === this.#options.edge) {
      this.#heardSelf++;
      this.#onEcho();
      this.#count();
    } else if (state === "gone") this.#lose(edge);
    else {
      const isNew = !this.#missed.has(edge);
      this.#missed.set(edge, 0);
      // It does not have to wait for the next one.
      if (isNew || state === "started") this.#beat("alive");
      if (isNew) this.#options.onEdge(edge, "joined");
    }
  }

  #count(): void {
    for (const [edge, missed] of [...this.#missed]) {
      this.#missed.set(edge, missed + 1);
      if (missed >= this.#options.missedMax) this.#lose(edge);
    }
  }

  #lose(edge: string): void {
    if (this.#missed.delete(edge)) this.#options.onEdge(edge, "lost");
  }
}

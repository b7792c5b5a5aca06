import type { NotifierEvents } from "../common/events.ts";
import { SupersededError } from "./notification-log.ts";
import type { Sender } from "./sender.ts";

const RESTART_MS = 1_000;

export interface SupervisorOptions {
  /** The target: `ops.webhook`. */
  readonly name: string;
  readonly create: (onFailed: (error: unknown) => void) => Sender;
  readonly events: NotifierEvents;
  readonly onSuperseded: (error: Error) => void;
}

/** Keeps a sender running for one target: replaces a sender that failed to store its state. */
export class SupervisedSender {
  readonly #options: SupervisorOptions;
  #sender: Sender | undefined;
  #restart: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Undefined while it restarts. */
  get sender(): Sender | undefined {
    return this.#sender;
  }

  async start(): Promise<void> {
    const sender = this.#options.create((error) => this.#failed(sender, error));
    this.#sender = sender;
    await sender.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#restart);
    await this.#sender?.stop();
  }

  #failed(sender: Sender, error: unknown): void {
    if (this.#stopped || this.#sender !== sender) return;
    if (error instanceof SupersededError) {
      this.#options.onSuperseded(error);
      return;
    }
    this.#options.events.senderFailed(sender.name, error);
    this.#sender = undefined;
    void sender.stop();
    this.#startLater();
  }

  #startLater(): void {
    this.#restart = setTimeout(() => {
      this.start().catch((error: unknown) => {
        this.#options.events.senderFailed(this.#options.name, error);
        if (!this.#stopped) this.#startLater();
      });
    }, RESTART_MS);
  }
}

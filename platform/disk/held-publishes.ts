import type { InboundMessage, PublishDone, PublishGate } from "../publish-gate.ts";

interface Held {
  readonly message: InboundMessage;
  readonly done: PublishDone;
}

/**
 * A gate that can be shut: meanwhile it holds its messages, which are not acknowledged, so their clients wait.
 * Bounded by the broker, which stops reading from clients with too much in flight.
 */
export class HeldPublishes implements PublishGate {
  readonly #inner: PublishGate;
  readonly #isShut: () => boolean;
  #held: Held[] = [];
  #refusal: Error | undefined;

  constructor(inner: PublishGate, isShut: () => boolean) {
    this.#inner = inner;
    this.#isShut = isShut;
  }

  get waiting(): number {
    return this.#held.length;
  }

  accept(message: InboundMessage, done: PublishDone): void {
    if (!this.#isShut() && this.#held.length === 0) this.#inner.accept(message, done);
    else if (this.#refusal !== undefined) done(this.#refusal);
    // A copy: the payload may be a view of a buffer that is used again.
    else this.#held.push({ message: { ...message, payload: new Uint8Array(message.payload) }, done });
  }

  /** Passes on what it holds, in order, if the gate is open. */
  release(): void {
    const held = this.#held;
    for (let i = 0; i < held.length; i++) {
      if (this.#isShut()) {
        this.#held = held.slice(i);
        return;
      }
      const each = held[i];
      if (each !== undefined) this.#inner.accept(each.message, each.done);
    }
    this.#held = [];
  }

  /** Ends the wait of everything that it holds, and of what still arrives while it is shut. */
  refuse(error: Error): void {
    this.#refusal = error;
    const held = this.#held;
    this.#held = [];
    for (const { done } of held) done(error);
  }
}

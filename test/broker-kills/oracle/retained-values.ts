import type { Differences } from "./differences.ts";

interface Topic {
  lastAcknowledged: number;
  lastDeletion: number;
  /** Sent and not known to be overwritten by an acknowledged one: the last acknowledged, and all after it. */
  readonly possible: Map<number, { readonly isDeletion: boolean }>;
}

/** What a new subscriber may find. */
export interface RetainedCheck {
  /** A retained message came. */
  received(topic: string, number: number): void;
  /** Topics that must have a value and have not come. */
  missing(): string[];
  /** All that is retained has come; what is missing is wrong. */
  finish(): void;
}

/**
 * The retained message of a topic is the last acknowledged one, or a later one whose acknowledgement the broker's end
 * may have swallowed. Numbers count from 1; each topic has one publisher, who sends in order.
 */
export class RetainedValues {
  readonly #differences: Differences;
  readonly #topics = new Map<string, Topic>();
  checked = 0;

  constructor(differences: Differences) {
    this.#differences = differences;
  }

  sent(topic: string, number: number, isDeletion: boolean): void {
    let of = this.#topics.get(topic);
    if (of === undefined) {
      of = { lastAcknowledged: 0, lastDeletion: 0, possible: new Map([[0, { isDeletion: true }]]) };
      this.#topics.set(topic, of);
    }
    of.possible.set(number, { isDeletion });
    if (isDeletion) of.lastDeletion = number;
  }

  acknowledge(topic: string, number: number): void {
    const of = this.#topics.get(topic);
    if (of === undefined || number < of.lastAcknowledged) return;
    of.lastAcknowledged = number;
    for (const each of of.possible.keys()) if (each < number) of.possible.delete(each);
  }

  /** Call it before the SUBSCRIBE is sent: what is acknowledged by then counts. */
  begin(): RetainedCheck {
    const least = new Map([...this.#topics].map(([topic, of]) => [topic, of.lastAcknowledged]));
    const came = new Set<string>();
    const missing = () =>
      [...least].flatMap(([topic, min]) => {
        // A deletion that was possible at any time since then excuses that nothing came.
        const mayBeEmpty = (this.#topics.get(topic)?.lastDeletion ?? 0) >= min;
        return came.has(topic) || mayBeEmpty ? [] : [topic];
      });
    return {
      received: (topic, number) => {
        this.checked += 1;
        came.add(topic);
        const of = this.#topics.get(topic);
        if (of === undefined) {
          this.#differences.add("retained but never sent", topic);
          return;
        }
        const min = least.get(topic) ?? 0;
        if (number < min) this.#differences.add("retained value too old", `${topic} ${number}, acknowledged ${min}`);
        const value = of.possible.get(number);
        if (number > Math.max(...of.possible.keys())) {
          this.#differences.add("retained but never sent", `${topic} ${number}`);
        } else if (value?.isDeletion === true) {
          this.#differences.add("retained although deleted", `${topic} ${number}`);
        }
      },
      missing,
      finish: () => {
        for (const topic of missing()) {
          const of = this.#topics.get(topic);
          this.#differences.add("retained value missing", `${topic}, acknowledged ${of?.lastAcknowledged}`);
        }
      },
    };
  }
}

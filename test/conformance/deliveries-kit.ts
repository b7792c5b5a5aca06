import type { FakeGate } from "../../broker/testing/test-support.ts";
import { Scene } from "./scene/check.ts";
import { startWeir, type Weir } from "./target.ts";
import type { Version } from "./wire/bytes.ts";
import type { Client } from "./wire/client.ts";
import type { Received } from "./wire/read.ts";

/** For the tests of deliveries: a broker and a scene over TCP, until the test ends. */
export async function withWeir(
  options: { readonly version: Version; readonly gate?: FakeGate },
  act: (scene: Scene, weir: Weir) => Promise<void>,
): Promise<void> {
  const weir = await startWeir(options.gate);
  const scene = new Scene({ target: weir.target, transport: "tcp", version: options.version, prefix: "d" });
  try {
    await act(scene, weir);
    if (scene.violations[0] !== undefined) throw scene.violations[0];
  } finally {
    scene.end();
    await weir.stop();
  }
}

/**
 * What one session was sent, over all its connections. Judges by the rules of delivery alone: which message a packet id
 * stands for, what was acknowledged, and in which order texts came first.
 */
export class SessionLedger {
  /** Texts in the order of their first receipt. */
  readonly first: string[] = [];
  readonly faults: string[] = [];
  /** Unacknowledged messages by packet id. */
  readonly #open = new Map<number, { readonly text: string; readonly qos: number }>();
  readonly #seen = new Set<string>();
  readonly #finished = new Set<string>();

  receive({ id, payload: text, dup, qos }: Received): void {
    const open = this.#open.get(id);
    if (open !== undefined && open.text !== text) this.faults.push(`id ${id} of "${open.text}" now has "${text}"`);
    if (this.#finished.has(text)) this.faults.push(`"${text}" came after its acknowledgement was read`);
    if (this.#seen.has(text) && !dup) this.faults.push(`"${text}" came again without DUP`);
    if (!this.#seen.has(text)) this.first.push(text);
    this.#seen.add(text);
    this.#open.set(id, { text, qos });
  }

  /** The broker has read the acknowledgement: the id is free. */
  finished(id: number): void {
    const open = this.#open.get(id);
    if (open !== undefined) this.#finished.add(open.text);
    this.#open.delete(id);
  }

  /** The acknowledgement may not have arrived: the same message may come again, or another one with its id. */
  maybeFinished(id: number): void {
    this.#open.delete(id);
  }
}

/** Takes the messages that have arrived, in order. */
export function takeMessages(client: Client): Received[] {
  const messages = client.received.filter(({ kind }) => kind === "publish");
  const others = client.received.filter(({ kind }) => kind !== "publish");
  client.received.splice(0, client.received.length, ...others);
  return messages;
}

import type { Version } from "../wire/bytes.ts";
import type { Received } from "../wire/read.ts";
import { type Copies, faultOf, identifierFault, isSatisfied, type Subscription } from "./expected.ts";

/** One session as a broker must keep it: what it waits for, and where each delivery is. */

type Stage =
  /** PUBLISH came; we have not answered. */
  | "sent"
  /** We answered, but the broker may not have read it. */
  | "answered"
  /** QoS 2: the broker has our PUBREC. */
  | "received"
  /** QoS 2: we sent PUBCOMP, but the broker may not have read it. */
  | "completed";

interface Delivery {
  readonly id: number;
  readonly topic: string;
  readonly text: string;
  readonly qos: number;
  stage: Stage;
  readonly copies: Copies;
  /** The connection on which we answered last. */
  connection: number;
  /** It was refused: that ends it, as PUBACK does. */
  isRefused: boolean;
  /** What the broker must send again on this connection. */
  again: "publish" | "pubrel" | undefined;
}

export class Session {
  readonly clientId: string;
  readonly version: Version;
  readonly isSmall: boolean;
  readonly subscriptions = new Map<string, Subscription>();
  readonly faults: string[] = [];
  isOnline = false;
  expirySeconds = 0;
  awaySinceMs = 0;
  connections = 0;
  waiting: Copies[] = [];
  readonly #deliveries = new Map<number, Delivery>();
  /** The last message of each publisher, topic and QoS. */
  readonly #last = new Map<string, number>();

  constructor(options: { readonly clientId: string; readonly version: Version; readonly isSmall: boolean }) {
    this.clientId = options.clientId;
    this.version = options.version;
    this.isSmall = options.isSmall;
  }

  connected(expirySeconds: number): void {
    this.isOnline = true;
    this.expirySeconds = expirySeconds;
    this.connections++;
    for (const delivery of this.#deliveries.values()) {
      const { stage } = delivery;
      delivery.again = stage === "sent" ? "publish" : stage === "received" ? "pubrel" : undefined;
      const isShared = delivery.copies.matches.some(({ share }) => share !== undefined);
      if (!isShared || delivery.qos !== 1 || stage !== "sent") continue;
      // A broker may also give it to another member, or to the same one as a new message (MQTT 5, section 4.8.2).
      delivery.again = undefined;
      delivery.stage = "answered";
      delivery.copies.got.length = 0;
    }
  }

  disconnected(nowMs: number): void {
    this.isOnline = false;
    this.awaySinceMs = nowMs;
    // What was on its way with QoS 0 is lost.
    for (const copies of this.waiting) {
      if (copies.matches.every(({ qos }) => Math.min(qos, copies.message.qos) === 0)) copies.isOptional = true;
    }
  }

  expect(copies: Copies): void {
    this.waiting.push(copies);
  }

  /** A PUBLISH came. Returns false if no message is known that it could be. */
  receive(received: Received, nowMs: number): boolean {
    const { id, qos, payload, topic, dup } = received;
    const known = qos === 0 ? undefined : this.#deliveries.get(id);
    if (known !== undefined && known.topic === topic && known.text === payload && dup) {
      this.#repeated(known);
      return true;
    }
    if (known !== undefined && known.stage !== "answered" && known.stage !== "completed") {
      this.#fault(received, `its id belongs to "${known.text}"`);
    }
    if (dup && this.connections < 2) this.#fault(received, "DUP on the session's first connection");
    const copies = this.#copiesOf(received, nowMs);
    if (copies === undefined) return false;
    const fault = faultOf(copies, received, { nowMs, version: this.version, isSmall: this.isSmall });
    if (fault !== undefined) this.#fault(received, fault);
    this.#order(copies, received);
    copies.got.push({ qos, ids: received.properties.subscriptionIds ?? [] });
    if (qos > 0)
      this.#deliveries.set(id, {
        id,
        topic,
        text: payload,
        qos,
        stage: "sent",
        copies,
        connection: 0,
        isRefused: false,
        again: undefined,
      });
    return true;
  }

  /** A PUBREL came. */
  released(id: number): void {
    const delivery = this.#deliveries.get(id);
    if (delivery === undefined) {
      this.faults.push(`PUBREL ${id} for nothing`);
      return;
    }
    if (delivery.stage === "sent") this.faults.push(`PUBREL ${id} before PUBREC`);
    delivery.stage = "completed";
    delivery.connection = this.connections;
    delivery.again = undefined;
  }

  /** We sent PUBACK or PUBREC. */
  answered(id: number, isRefused: boolean): void {
    const delivery = this.#deliveries.get(id);
    if (delivery === undefined) return;
    if (delivery.stage === "sent") delivery.stage = "answered";
    delivery.connection = this.connections;
    delivery.isRefused = isRefused;
  }

  /** The broker has read everything that we sent. */
  confirmed(): void {
    for (const delivery of this.#deliveries.values()) {
      const { id, stage, qos, isRefused, connection } = delivery;
      // Of an answer on an earlier connection nobody knows whether it arrived.
      if (connection !== this.connections) continue;
      if (stage === "completed" || (stage === "answered" && (qos === 1 || isRefused))) this.#deliveries.delete(id);
      else if (stage === "answered") delivery.stage = "received";
    }
  }

  /** What must still come, in words. */
  missing(nowMs: number): readonly string[] {
    const again = [...this.#deliveries.values()].filter((delivery) => delivery.again !== undefined);
    const copies = this.waiting.filter((each) => !isSatisfied(each, nowMs) && !(each.message.isBig && this.isSmall));
    return [
      ...again.map(({ again: what, id, text }) => `${what} ${id} of "${text}" again`),
      ...copies.map(
        ({ message, isRetained }) => `${isRetained ? "retained " : ""}"${message.text}" on ${message.topic}`,
      ),
    ];
  }

  /** Forgets what has come in full; finds what is wrong with it as a whole. */
  settle(): void {
    for (const copies of this.waiting) {
      const fault = this.version === 5 ? identifierFault(copies) : undefined;
      if (fault !== undefined) this.faults.push(`"${copies.message.text}" came in ${fault}`);
    }
    this.waiting = this.waiting.filter(({ got, matches, isOptional }) => isOptional || got.length < matches.length);
    for (const copies of this.waiting) if (copies.got.length > 0) copies.isOptional = true;
  }

  #repeated(known: Delivery): void {
    if (known.stage === "received" || known.stage === "completed") {
      this.faults.push(`"${known.text}" again after its PUBREL`);
    }
    if (known.again !== "publish" && known.stage === "sent") {
      this.faults.push(`"${known.text}" again on the same connection`);
    }
    const first = [...this.#deliveries.values()].find(({ again }) => again === "publish");
    if (known.again === "publish" && first !== known)
      this.faults.push(`"${known.text}" again, before "${first?.text}"`);
    known.again = undefined;
    known.stage = "sent";
  }

  /**
   * What it is a copy of: of those that it fits, one that has none yet, best one with the same identifiers, or one that
   * must come.
   */
  #copiesOf(received: Received, nowMs: number): Copies | undefined {
    const { topic, payload } = received;
    const same = this.waiting.filter(({ message }) => message.topic === topic && message.text === payload);
    const at = { nowMs, version: this.version, isSmall: this.isSmall };
    const fitting = same.filter((copies) => faultOf(copies, received, at) === undefined);
    const open = fitting.filter(({ got }) => got.length === 0);
    const exact = open.filter((copies) => hasIdentifiers(copies, received));
    for (const some of [exact, open]) {
      const best = some.find(({ isOptional }) => !isOptional) ?? some[0];
      if (best !== undefined) return best;
    }
    return fitting[0] ?? same[0];
  }

  #order({ message, isRetained, got, matches }: Copies, received: Received): void {
    if (isRetained || message.isBegun || got.length > 0 || matches.every(({ share }) => share !== undefined)) return;
    const key = `${message.publisher} ${message.topic} ${message.qos} ${received.qos}`;
    const last = this.#last.get(key) ?? -1;
    if (message.number < last) this.#fault(received, "later than a younger message");
    this.#last.set(key, Math.max(last, message.number));
  }

  #fault({ id, topic, payload, qos, dup }: Received, what: string): void {
    const short = payload.length > 20 ? `${payload.slice(0, 20)}...` : payload;
    this.faults.push(`"${short}" on ${topic} (id ${id}, QoS ${qos}${dup ? ", DUP" : ""}): ${what}`);
  }
}

/** Whether it has the identifiers of all the subscriptions. */
function hasIdentifiers({ matches }: Copies, { properties }: Received): boolean {
  const wanted = matches.map(({ id }) => id).filter((id) => id !== 0);
  return wanted.sort().join() === [...(properties.subscriptionIds ?? [])].sort().join();
}

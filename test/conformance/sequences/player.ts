import { acknowledgement } from "../wire/build.ts";
import type { Client } from "../wire/client.ts";
import type { Received } from "../wire/read.ts";
import type { Model, PendingWill } from "./model.ts";
import type { ClientPlan } from "./plan.ts";
import type { Session } from "./session.ts";

export interface BegunMessage {
  readonly topic: string;
  readonly text: string;
  /** Its copies may come now, and must come once it is released. */
  readonly require: () => void;
}

export interface OwnWill {
  readonly message: PendingWill["message"];
  readonly delaySeconds: number;
}

/** One client of a sequence: its connection, what it leaves unacknowledged, and the QoS 2 messages that it has begun. */
export class Player {
  readonly id: string;
  readonly plan: ClientPlan;
  readonly model: Model;
  client: Client | undefined;
  session: Session | undefined;
  will: OwnWill | undefined;
  expirySeconds = 0;
  hold = 0;
  readonly held: Received[] = [];
  readonly begun = new Map<number, BegunMessage>();
  readonly aliases = new Map<string, number>();

  constructor(options: { readonly id: string; readonly plan: ClientPlan; readonly model: Model }) {
    this.id = options.id;
    this.plan = options.plan;
    this.model = options.model;
  }

  get isOnline(): boolean {
    return this.client !== undefined;
  }

  /** Takes what has arrived, and answers it as far as the client does not hold its acknowledgements. */
  pump(): void {
    const { client, session } = this;
    if (client === undefined || session === undefined) return;
    for (let index = 0; index < client.received.length; ) {
      const packet = client.received[index];
      if (packet?.kind === "publish") {
        client.received.splice(index, 1);
        this.#message(session, packet);
      } else if (packet?.kind === "pubrel") {
        client.received.splice(index, 1);
        session.released(packet.id);
        client.acknowledge("pubcomp", packet.id);
      } else index++;
    }
  }

  /** Takes what arrived before the connection ended, without answers. */
  takeLast(client: Client, session: Session): void {
    const [now, last] = [performance.now(), client.received.splice(0)];
    for (const packet of last) {
      if (packet.kind === "publish") this.#receive(session, packet, now);
      else if (packet.kind === "pubrel") session.released(packet.id);
    }
  }

  /** Acknowledges what is held. */
  acknowledgeHeld(isRefusal: boolean): void {
    for (const packet of this.held.splice(0)) this.#answer(packet, isRefusal);
  }

  /** A round trip; the broker has then read everything that was sent before. */
  async ping(): Promise<void> {
    const { client, session } = this;
    if (client === undefined || session === undefined) return;
    this.pump();
    await client.ping();
    session.confirmed();
    this.pump();
  }

  /** Repeats PUBLISH of begun messages, or sends PUBREL for them. */
  async finishBegun(
    kind: "repeat" | "release",
    repeat: (id: number, begun: BegunMessage) => Uint8Array,
  ): Promise<void> {
    const { client } = this;
    if (client === undefined) return;
    for (const [id, begun] of [...this.begun]) {
      if (kind === "repeat") {
        client.send(repeat(id, begun));
        await client.next("pubrec", id);
        continue;
      }
      begun.require();
      client.send(acknowledgement("pubrel", id));
      await client.next("pubcomp", id);
      this.begun.delete(id);
    }
  }

  /** An alias for the topic, as far as the broker takes more of them. */
  alias(topic: string): { readonly number: number; readonly isKnown: boolean } | undefined {
    const max = this.client?.connack?.properties.topicAliasMaximum ?? 0;
    const known = this.aliases.get(topic);
    if (known !== undefined) return { number: known, isKnown: true };
    if (this.aliases.size >= max) return undefined;
    const number = this.aliases.size + 1;
    this.aliases.set(topic, number);
    return { number, isKnown: false };
  }

  #message(session: Session, packet: Received): void {
    this.#receive(session, packet, performance.now());
    if (packet.qos === 0) return;
    if (this.held.length < this.hold) this.held.push(packet);
    else this.#answer(packet, false);
  }

  #receive(session: Session, packet: Received, nowMs: number): void {
    if (session.receive(packet, nowMs)) return;
    if (this.model.isWill(packet.payload, nowMs) && session.receive(packet, nowMs)) return;
    const { topic, payload, qos } = packet;
    session.faults.push(`an unexpected message "${payload.slice(0, 40)}" on ${topic} with QoS ${qos}`);
  }

  #answer({ id, qos }: Received, isRefusal: boolean): void {
    const { client, session } = this;
    if (client === undefined || session === undefined) return;
    const code = isRefusal && this.plan.version === 5 ? 0x83 : undefined;
    client.acknowledge(qos === 1 ? "puback" : "pubrec", id, code);
    session.answered(id, code !== undefined);
  }
}

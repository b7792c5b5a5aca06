import type { Scene } from "../scene/check.ts";
import { disconnectPacket, publishPacket, subscribePacket, unsubscribePacket } from "../wire/build.ts";
import type { Properties } from "../wire/properties.ts";
import { type Copies, highestQos, type Message, type Subscription } from "./expected.ts";
import { Model, willMessage } from "./model.ts";
import { type MessagePlan, type Plan, type Step, TOPICS, type WishPlan } from "./plan.ts";
import { Player } from "./player.ts";

/** Plays a plan against a broker, step by step, and compares with the model. */

type StepOf<Kind extends Step["kind"]> = Extract<Step, { kind: Kind }>;

const SETTLE_MS_MAX = 10_000;
const WAIT_MS = 2_600;
const BIG_BYTES = 600;
const SMALL_PACKET_MAX = 400;
const KEPT_S = 300;

export class Game {
  readonly #scene: Scene;
  readonly #prefix: string;
  readonly #model = new Model();
  readonly #players: readonly Player[];
  #witness: Player;
  #texts = 0;

  constructor(plan: Plan, scene: Scene, prefix: string) {
    this.#scene = scene;
    this.#prefix = prefix;
    const model = this.#model;
    this.#players = plan.clients.map((each, n) => new Player({ id: `${prefix}c${n}`, plan: each, model }));
    const own = { version: 4 as const, receiveMaximum: undefined, topicAliasMaximum: 0, isSmall: false };
    this.#witness = new Player({ id: `${prefix}w`, plan: own, model });
  }

  get faults(): readonly string[] {
    return [...this.#model.faults, ...this.#scene.violations.map(({ message }) => message)];
  }

  async step(step: Step): Promise<void> {
    if (!this.#witness.isOnline) await this.#startWitness();
    switch (step.kind) {
      case "connect":
        await this.#connect(this.#player(step.client), step);
        break;
      case "leave":
        await this.#leave(this.#player(step.client), step.how);
        break;
      case "subscribe":
        await this.#subscribe(this.#player(step.client), step);
        break;
      case "unsubscribe":
        await this.#unsubscribe(this.#player(step.client), step.filters);
        break;
      case "publish":
        await this.#publish(this.#player(step.client), step.messages);
        break;
      case "burst":
        await this.#burst(step);
        break;
      case "begin":
        await this.#begin(this.#player(step.client), step.topic);
        break;
      case "repeat":
      case "release":
        await this.#finishBegun(this.#player(step.client), step.kind);
        break;
      case "hold":
        this.#player(step.client).hold = step.count;
        break;
      case "acknowledge":
        this.#player(step.client).acknowledgeHeld(step.refuse);
        break;
      case "wait":
        await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
        break;
    }
    await this.#settle();
  }

  /** Every session comes back and gets what it still waits for. */
  async finish(): Promise<void> {
    if (!this.#witness.isOnline) return;
    for (const player of this.#players) {
      player.hold = 0;
      player.acknowledgeHeld(false);
      await this.#settle();
      const connect = { kind: "connect", client: 0, clean: false, expirySeconds: KEPT_S, will: undefined } as const;
      await this.#connect(player, connect);
      await this.#finishBegun(player, "release");
      await this.#settle();
    }
    // The broker need not keep the retained messages of all sequences.
    const { client } = this.#witness;
    for (const name of TOPICS) client?.send(publishPacket(4, this.#topic(name), "", { retain: true }));
    await this.#witness.client?.ping();
  }

  #player(index: number): Player {
    return this.#players[index] ?? this.#witness;
  }

  async #startWitness(): Promise<void> {
    const connect = { kind: "connect", client: 0, clean: true, expirySeconds: 0, will: undefined } as const;
    await this.#connect(this.#witness, connect);
    const wish = {
      filter: "#",
      share: undefined,
      qos: 2,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    await this.#subscribe(this.#witness, { kind: "subscribe", client: 0, wishes: [wish], id: 0 });
  }

  async #connect(player: Player, step: StepOf<"connect">): Promise<void> {
    const { version, receiveMaximum, topicAliasMaximum, isSmall } = player.plan;
    if (player.isOnline) this.#takeOver(player);
    const text = `will ${this.#texts++}`;
    const will = step.will && { ...step.will, topic: this.#topic(step.will.topic), payload: text };
    const delaySeconds = version === 5 ? (step.will?.delaySeconds ?? 0) : 0;
    const expirySeconds = version === 5 ? step.expirySeconds : step.clean ? 0 : KEPT_S;
    const expected = step.clean ? false : this.#model.isPresent(player.id, performance.now());
    const properties: Properties = {
      ...(expirySeconds === 0 ? {} : { sessionExpiry: expirySeconds }),
      ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
      ...(topicAliasMaximum === 0 ? {} : { topicAliasMaximum }),
      ...(isSmall ? { maximumPacketSize: SMALL_PACKET_MAX } : {}),
    };
    if (step.clean || expected === false) this.#sessionEnds(player);
    const client = this.#scene.open({ version });
    const wish = will && { ...will, properties: delaySeconds > 0 ? { willDelay: delaySeconds } : {} };
    const connack = await client.connect({ id: player.id, clean: step.clean, properties, ...(wish && { will: wish }) });
    this.#expect(connack.code === 0, `${player.id}: CONNACK with ${connack.code}`);
    const isPresent = expected ?? connack.sessionPresent;
    this.#expect(connack.sessionPresent === isPresent, `${player.id}: session present ${connack.sessionPresent}`);
    if (!isPresent && expected === undefined) this.#sessionEnds(player);
    // A will that waits is not published if the session goes on.
    this.#model.takePendingWill(player.id);
    const at = { clientId: player.id, version, isSmall, expirySeconds, isPresent };
    player.session = this.#model.connected(at);
    if (!isPresent) player.begun.clear();
    player.client = client;
    player.expirySeconds = expirySeconds;
    player.will = will && { message: willMessage(will, text, player.id), delaySeconds };
    player.held.length = 0;
    player.aliases.clear();
  }

  /** The same client id connects again: the broker ends the first connection, and its will is published. */
  #takeOver(player: Player): void {
    const { client } = player;
    if (client === undefined) return;
    this.#end(player, "taken over");
    void client
      .until(() => client.closed, "the end of a connection that was taken over")
      .then(
        () => {
          const codes = client.received.filter(({ kind }) => kind === "disconnect").map(({ code }) => code);
          const expected = player.plan.version === 5 ? [0x8e] : [];
          this.#expect(`${codes}` === `${expected}`, `${player.id}: taken over with DISCONNECT ${codes}`);
        },
        (error: unknown) => this.#expect(false, String(error)),
      );
  }

  /** The session ends before its will's delay has passed: the will is published. */
  #sessionEnds(player: Player): void {
    const will = this.#model.takePendingWill(player.id);
    if (will !== undefined) this.#model.publish({ ...will.message, publishedAtMs: performance.now() });
    this.#model.end(player.id);
  }

  async #leave(player: Player, how: StepOf<"leave">["how"]): Promise<void> {
    const { client, session } = player;
    if (client === undefined || session === undefined) return;
    const isFarewell = how === "disconnect" || (how === "with-will" && player.plan.version === 5);
    if (isFarewell) {
      await player.ping();
      client.send(disconnectPacket(how === "with-will" ? 4 : undefined));
      client.wire.half();
      await client.untilClosed("after DISCONNECT");
    } else client.cut();
    this.#end(player, isFarewell && how === "disconnect" ? "disconnect" : "broken");
    await client.until(() => client.closed, "the end");
    player.takeLast(client, session);
  }

  #end(player: Player, how: "disconnect" | "broken" | "taken over"): void {
    const { client, session, will } = player;
    if (client === undefined || session === undefined) return;
    const nowMs = performance.now();
    player.takeLast(client, session);
    this.#model.disconnected(session, nowMs);
    player.client = undefined;
    player.will = undefined;
    player.held.length = 0;
    if (player.expirySeconds === 0) player.begun.clear();
    if (will === undefined || how === "disconnect") return;
    const seconds = Math.min(will.delaySeconds, player.expirySeconds);
    if (seconds === 0) this.#model.publish({ ...will.message, publishedAtMs: nowMs });
    else this.#model.willPending(player.id, { message: will.message, dueAtMs: nowMs + seconds * 1_000 });
  }

  async #subscribe(player: Player, step: StepOf<"subscribe">): Promise<void> {
    const { client, session } = player;
    if (client === undefined || session === undefined) return;
    const isNew = player.plan.version === 5;
    const wishes = step.wishes.filter(({ share }) => isNew || share === undefined);
    if (wishes.length === 0) return;
    const nowMs = performance.now();
    for (const wish of wishes) {
      const key = this.#key(wish);
      const { qos, share } = wish;
      const filter = this.#topic(wish.filter);
      const [noLocal, retainAsPublished] = [isNew && wish.noLocal, isNew && wish.retainAsPublished];
      const subscription: Subscription = { filter, share, qos, noLocal, retainAsPublished, id: isNew ? step.id : 0 };
      this.#model.subscribe(session, key, subscription, isNew ? wish.retainHandling : 0, nowMs);
    }
    const id = client.nextId();
    const packets = wishes.map((wish) => ({ ...(isNew ? wish : { qos: wish.qos }), filter: this.#key(wish) }));
    client.send(subscribePacket(player.plan.version, id, packets, step.id > 0 ? { subscriptionIds: [step.id] } : {}));
    const { codes } = await client.next("suback", id);
    this.#expect(`${codes}` === `${wishes.map(({ qos }) => qos)}`, `${player.id}: SUBACK with ${codes}`);
  }

  async #unsubscribe(player: Player, filters: readonly string[]): Promise<void> {
    const { client, session } = player;
    if (client === undefined || session === undefined) return;
    const keys = filters.map((filter) => this.#topic(filter));
    const expected = keys.map((key) => (this.#model.unsubscribe(session, key) ? 0 : 0x11));
    const id = client.nextId();
    client.send(unsubscribePacket(player.plan.version, id, keys));
    const { codes } = await client.next("unsuback", id);
    const isRight = player.plan.version === 4 || `${codes}` === `${expected}`;
    this.#expect(isRight, `${player.id}: UNSUBACK with ${codes}, expected ${expected}`);
  }

  async #publish(player: Player, plans: readonly MessagePlan[]): Promise<void> {
    const { client } = player;
    if (client === undefined) return;
    const sent = plans.map((plan) => ({ plan, id: client.nextId() }));
    client.send(...sent.map(({ plan, id }) => this.#message(player, plan, id)));
    for (const [qos, kind] of [
      [1, "puback"],
      [2, "pubrec"],
    ] as const) {
      const ids = sent.filter(({ plan }) => plan.qos === qos).map(({ id }) => id);
      const answers = () => client.received.filter((packet) => packet.kind === kind);
      await client.until(() => answers().length >= ids.length || client.closed, `${ids.length} of ${kind}`);
      const got = answers().map(({ id }) => id);
      this.#expect(`${got}` === `${ids}`, `${player.id}: ${kind} for ${got}, sent were ${ids}`);
      for (const id of ids) {
        const { code } = await client.next(kind, id);
        this.#expect(code === 0 || code === 0x10, `${player.id}: ${kind} with ${code}`);
      }
      if (qos === 1) continue;
      client.send(...ids.map((id) => Buffer.from([0x62, 2, id >> 8, id & 0xff])));
      for (const id of ids) await client.next("pubcomp", id);
    }
  }

  /** The bytes of a message; the model learns of it. */
  #message(player: Player, plan: MessagePlan, id: number): Uint8Array {
    const isNew = player.plan.version === 5;
    const name = `m${this.#texts++}`;
    const text = plan.isEmpty ? "" : plan.isBig ? name.padEnd(BIG_BYTES, ".") : name;
    const topic = this.#topic(plan.topic);
    const properties: Properties =
      isNew && plan.hasProperties
        ? {
            payloadFormat: 1,
            contentType: "t",
            correlationData: Buffer.from(name),
            user: [
              ["b", name],
              ["a", "1"],
            ],
          }
        : {};
    const expirySeconds = isNew ? plan.expirySeconds : undefined;
    const { qos, retain } = plan;
    const isBig = text.length === BIG_BYTES;
    this.#model.publish({
      ...{ topic, text, qos, retain, properties, expirySeconds, isBig },
      ...{ publisher: player.id, publishedAtMs: performance.now() },
    });
    const expiry = expirySeconds === undefined ? {} : { messageExpiry: expirySeconds };
    const alias = isNew && plan.byAlias ? player.alias(topic) : undefined;
    const all = { ...properties, ...expiry, ...(alias && { topicAlias: alias.number }) };
    return publishPacket(player.plan.version, alias?.isKnown ? "" : topic, text, { qos, id, retain, properties: all });
  }

  async #burst(step: StepOf<"burst">): Promise<void> {
    const cut = step.cut === undefined ? undefined : this.#player(step.cut);
    const publishing = this.#players.map(async (player, n) => {
      if (player !== cut) await this.#publish(player, step.messages[n] ?? []);
    });
    if (cut?.isOnline === true) {
      // In the middle, as far as that can be.
      await new Promise((resolve) => setImmediate(resolve));
      cut.pump();
      await this.#leave(cut, "cut");
    }
    await Promise.all(publishing);
  }

  async #begin(player: Player, name: string): Promise<void> {
    const { client } = player;
    if (client === undefined) return;
    const [topic, text, id] = [this.#topic(name), `m${this.#texts++}`, 60_001 + this.#texts];
    const message: Omit<Message, "number"> = {
      ...{ topic, text, qos: 2, retain: false, properties: {}, expirySeconds: undefined, isBig: false, isBegun: true },
      ...{ publisher: player.id, publishedAtMs: performance.now() },
    };
    // A broker may deliver it now, or when it is released.
    const copies: readonly Copies[] = this.#model.publish(message, { isOptional: true });
    const require = () => {
      const released = this.#model.publish(message, { isOptional: true }).filter(isPlain);
      for (const each of copies.filter(isPlain)) {
        const alternative = released.find(({ clientId }) => clientId === each.clientId);
        if (alternative === undefined || each.got.length > 0 || highestQos(each) === 0) continue;
        each.alternative = alternative;
        each.isOptional = false;
      }
    };
    client.send(publishPacket(player.plan.version, topic, text, { qos: 2, id }));
    await client.next("pubrec", id);
    player.begun.set(id, { topic, text, require });
  }

  async #finishBegun(player: Player, kind: "repeat" | "release"): Promise<void> {
    const { version } = player.plan;
    await player.finishBegun(kind, (id, { topic, text }) =>
      publishPacket(version, topic, text, { qos: 2, id, dup: true }),
    );
  }

  /** Waits until everything has come that must come, and looks for what must not. */
  async #settle(): Promise<void> {
    const all = [...this.#players, this.#witness];
    const endMs = performance.now() + SETTLE_MS_MAX;
    for (;;) {
      for (const player of all) player.pump();
      const nowMs = performance.now();
      const missing = all.flatMap(({ id, isOnline, session }) =>
        isOnline ? (session?.missing(nowMs) ?? []).map((what) => `${id}: missing ${what}`) : [],
      );
      missing.push(...this.#model.missingShared(), ...this.#model.overdueWills(nowMs));
      if (missing.length === 0 || this.faults.length > 0) break;
      if (nowMs > endMs) {
        this.#model.faults.push(...missing.slice(0, 3));
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(all.map((player) => player.ping()));
    this.#model.settle();
    for (const { id, client } of all) {
      if (client?.closed === true) this.#model.faults.push(`${id}: the connection was closed`);
    }
  }

  #topic(name: string): string {
    return `${this.#prefix}/${name}`;
  }

  #key({ share, filter }: WishPlan): string {
    return share === undefined ? this.#topic(filter) : `$share/${share}/${this.#topic(filter)}`;
  }

  #expect(holds: boolean, fault: string): void {
    if (!holds) this.#model.faults.push(fault);
  }
}

function isPlain({ matches }: Copies): boolean {
  return matches.every(({ share }) => share === undefined);
}

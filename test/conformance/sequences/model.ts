import type { Version } from "../wire/bytes.ts";
import type { Copies, Message, Subscription } from "./expected.ts";
import type { WillPlan } from "./plan.ts";
import { Session } from "./session.ts";

/** A broker by the specification: sessions, retained messages, wills, shared subscriptions. It sends nothing. */

export interface PendingWill {
  readonly message: Omit<Message, "number" | "publishedAtMs">;
  /** When it must be published at the latest. */
  readonly dueAtMs: number;
}

/** A message for one member of a group. */
interface SharedMessage {
  readonly message: Message;
  readonly members: readonly Session[];
  readonly copies: Copies[];
  /** The group has changed since: another member may get it, or none. */
  isDisturbed: boolean;
  isTaken: boolean;
}

/** An expiry of one second may have passed or not: the broker decides. */
const UNSURE_MS = 1_300;
/** A will that comes this much before its delay is early. */
const EARLY_MS = 300;

export class Model {
  readonly sessions = new Map<string, Session>();
  readonly faults: string[] = [];
  readonly #retained = new Map<string, Message>();
  readonly #pendingWills = new Map<string, PendingWill>();
  #shared: SharedMessage[] = [];
  #count = 0;

  /** The copies of the message. Where sessions have changed since it was begun, call it again on its release. */
  publish(message: Omit<Message, "number">, options: { readonly isOptional?: boolean } = {}): readonly Copies[] {
    const numbered: Message = { ...message, number: this.#count++ };
    if (message.retain && message.text === "") this.#retained.delete(message.topic);
    else if (message.retain) this.#retained.set(message.topic, numbered);
    const all: Copies[] = [];
    for (const session of this.sessions.values()) {
      const own = [...session.subscriptions.values()].filter((each) => matches(each.filter, message.topic));
      const plain = own.filter(
        ({ share, noLocal }) => share === undefined && !(noLocal && message.publisher === session.clientId),
      );
      if (plain.length === 0) continue;
      const isLost = !session.isOnline && plain.every(({ qos }) => Math.min(qos, message.qos) === 0);
      const isOptional = options.isOptional === true || isLost;
      const { clientId } = session;
      const copies: Copies = { clientId, message: numbered, matches: plain, isRetained: false, isOptional, got: [] };
      session.expect(copies);
      all.push(copies);
    }
    return [...all, ...this.#publishShared(numbered, options.isOptional === true)];
  }

  #publishShared(message: Message, isOptional: boolean): readonly Copies[] {
    const groups = new Map<string, { session: Session; subscription: Subscription }[]>();
    for (const session of this.sessions.values()) {
      for (const subscription of session.subscriptions.values()) {
        if (subscription.share === undefined || !matches(subscription.filter, message.topic)) continue;
        const key = `${subscription.share}/${subscription.filter}`;
        groups.set(key, [...(groups.get(key) ?? []), { session, subscription }]);
      }
    }
    const all: Copies[] = [];
    for (const members of groups.values()) {
      const copies = members.map(({ session, subscription }): Copies => {
        const { clientId } = session;
        const one: Copies = {
          clientId,
          message,
          matches: [subscription],
          isRetained: false,
          isOptional: true,
          got: [],
        };
        session.expect(one);
        return one;
      });
      // Which member gets it, and whether an absent one can, is the broker's choice.
      const isSure = members.every(({ session }) => session.isOnline && !(message.isBig && session.isSmall));
      this.#shared.push({
        message,
        members: members.map(({ session }) => session),
        copies,
        isDisturbed: isOptional || !isSure,
        isTaken: false,
      });
      all.push(...copies);
    }
    return all;
  }

  /** Returns the copies of retained messages that the subscription gets. */
  subscribe(session: Session, key: string, subscription: Subscription, retainHandling: 0 | 1 | 2, nowMs: number): void {
    const isNew = !session.subscriptions.has(key);
    session.subscriptions.set(key, subscription);
    this.#disturb(session);
    if (subscription.share !== undefined || retainHandling === 2 || (retainHandling === 1 && !isNew)) return;
    for (const message of this.#retained.values()) {
      if (!matches(subscription.filter, message.topic)) continue;
      const isOwn = subscription.noLocal && message.publisher === session.clientId;
      const leftMs = (message.expirySeconds ?? 1e6) * 1_000 - (nowMs - message.publishedAtMs);
      if (leftMs < -UNSURE_MS) continue;
      const isOptional = isOwn || leftMs < UNSURE_MS;
      const { clientId } = session;
      session.expect({ clientId, message, matches: [subscription], isRetained: true, isOptional, got: [] });
    }
  }

  unsubscribe(session: Session, key: string): boolean {
    this.#disturb(session);
    return session.subscriptions.delete(key);
  }

  /** Whether a session must be present; undefined if only the broker knows. */
  isPresent(clientId: string, nowMs: number): boolean | undefined {
    const session = this.sessions.get(clientId);
    if (session === undefined) return false;
    if (session.isOnline) return true;
    const leftMs = session.expirySeconds * 1_000 - (nowMs - session.awaySinceMs);
    return leftMs > UNSURE_MS ? true : leftMs < -UNSURE_MS ? false : undefined;
  }

  connected(options: {
    readonly clientId: string;
    readonly version: Version;
    readonly isSmall: boolean;
    readonly expirySeconds: number;
    readonly isPresent: boolean;
  }): Session {
    if (!options.isPresent) this.end(options.clientId);
    let session = this.sessions.get(options.clientId);
    if (session === undefined) {
      session = new Session(options);
      this.sessions.set(options.clientId, session);
    }
    this.#disturb(session);
    session.connected(options.expirySeconds);
    return session;
  }

  disconnected(session: Session, nowMs: number): void {
    session.disconnected(nowMs);
    this.#disturb(session);
    if (session.expirySeconds === 0) this.end(session.clientId);
  }

  /** The session ends. */
  end(clientId: string): void {
    const session = this.sessions.get(clientId);
    if (session === undefined) return;
    this.#disturb(session);
    this.faults.push(...session.faults.splice(0));
    this.sessions.delete(clientId);
  }

  willPending(clientId: string, will: PendingWill): void {
    this.#pendingWills.set(clientId, will);
  }

  takePendingWill(clientId: string): PendingWill | undefined {
    const will = this.#pendingWills.get(clientId);
    this.#pendingWills.delete(clientId);
    return will;
  }

  /** A message that nobody published: it may be a will whose time has come. */
  isWill(text: string, nowMs: number): boolean {
    for (const [clientId, { message, dueAtMs }] of this.#pendingWills) {
      if (message.text !== text) continue;
      if (nowMs < dueAtMs - EARLY_MS)
        this.faults.push(`the will "${text}" came ${Math.round(dueAtMs - nowMs)} ms early`);
      this.#pendingWills.delete(clientId);
      this.publish({ ...message, publishedAtMs: nowMs }, { isOptional: true });
      return true;
    }
    return false;
  }

  /** Wills that should have come. */
  overdueWills(nowMs: number): readonly string[] {
    return [...this.#pendingWills.values()].filter(({ dueAtMs }) => nowMs > dueAtMs).map(({ message }) => message.text);
  }

  /** Messages of groups that no member has. */
  missingShared(): readonly string[] {
    return this.#shared
      .filter((shared) => !shared.isDisturbed && !this.#hasTaker(shared))
      .map(({ message }) => `shared "${message.text}" for one member`);
  }

  /** A member may also have a plain subscription: then a copy could be by either, and two copies are both. */
  #hasTaker(shared: SharedMessage): boolean {
    const { message, members, copies } = shared;
    shared.isTaken ||= copies.some(({ got }) => got.length > 0);
    shared.isTaken ||= members.some(({ waiting }) =>
      waiting.some((each) => each.message === message && each.got.length > 1),
    );
    return shared.isTaken;
  }

  settle(): void {
    for (const { message, copies, isDisturbed } of this.#shared) {
      const members = copies.filter(({ got }) => got.length > 0).length;
      const isAllowed = members <= 1 || (isDisturbed && message.qos < 2);
      if (!isAllowed) this.faults.push(`${members} members of a group got "${message.text}"`);
    }
    this.#shared = this.#shared.slice(-50);
    for (const session of this.sessions.values()) {
      session.settle();
      this.faults.push(...session.faults.splice(0).map((fault) => `${session.clientId}: ${fault}`));
    }
  }

  #disturb(session: Session): void {
    for (const shared of this.#shared) if (shared.members.includes(session)) shared.isDisturbed = true;
  }
}

export function willMessage(will: WillPlan, text: string, publisher: string): PendingWill["message"] {
  const { topic, qos, retain } = will;
  return { topic, qos, retain, text, publisher, properties: {}, expirySeconds: undefined, isBig: false };
}

/** MQTT 5, section 4.7, level by level. */
export function matches(filter: string, topic: string): boolean {
  const [wanted, levels] = [filter.split("/"), topic.split("/")];
  for (const [n, level] of wanted.entries()) {
    if (level === "#") return true;
    if (n >= levels.length || (level !== "+" && level !== levels[n])) return false;
  }
  return wanted.length === levels.length;
}

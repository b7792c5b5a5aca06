import { TopicTrie } from "../common/topic-trie.ts";
import type { Message, Qos, Subscription } from "../store/port.ts";

/** A subscription of a session. */
interface Route {
  readonly clientId: string;
  readonly subscription: Subscription;
  /** The whole filter of a shared subscription: its members share the messages. */
  readonly share: string | undefined;
}

/** What one subscriber gets of a message. Overlapping subscriptions give one copy (MQTT 5, section 3.3.4). */
export interface Delivery {
  readonly clientId: string;
  qos: Qos;
  retain: boolean;
  identifiers: readonly number[];
}

export interface Plan {
  readonly deliveries: readonly Delivery[];
  /** Shared subscriptions that match. */
  readonly shares: ReadonlySet<string>;
}

const NO_IDENTIFIERS: readonly number[] = [];
const NO_SHARES: ReadonlySet<string> = new Set();
const NOBODY: Plan = { deliveries: [], shares: NO_SHARES };

/** Who gets which messages: the subscriptions of all sessions. */
export class Routes {
  readonly #trie = new TopicTrie<Route>();
  readonly #byClient = new Map<string, Map<string, Subscription>>();

  /** Replaces all subscriptions of a client; those that are equal stay untouched. */
  set(clientId: string, subscriptions: Iterable<Subscription>): void {
    const before = this.#byClient.get(clientId);
    const after = new Map<string, Subscription>();
    for (const subscription of subscriptions) after.set(subscription.filter, subscription);
    for (const [filter, subscription] of before ?? []) {
      const newer = after.get(filter);
      if (newer !== undefined && isEqual(subscription, newer)) after.set(filter, subscription);
      else this.#remove(clientId, filter);
    }
    for (const [filter, subscription] of after) {
      if (before?.get(filter) !== subscription) this.#add(clientId, subscription);
    }
    if (after.size === 0) this.#byClient.delete(clientId);
    else this.#byClient.set(clientId, after);
  }

  delete(clientId: string): void {
    this.set(clientId, []);
  }

  /** Whether any session subscribes to the topic. Almost free while there are no subscriptions. */
  matchesAny(topic: string): boolean {
    return this.#trie.matchesAny(topic);
  }

  plan(message: Message): Plan {
    const routes = this.#trie.match(message.topic);
    if (routes.length === 0) return NOBODY;
    const byClient = new Map<string, Delivery>();
    let shares: Set<string> | undefined;
    for (const { clientId, subscription, share } of routes) {
      if (share !== undefined) {
        shares ??= new Set();
        shares.add(share);
        continue;
      }
      if (subscription.noLocal && clientId === message.publisher) continue;
      merge(byClient, clientId, subscription, message);
    }
    return { deliveries: [...byClient.values()], shares: shares ?? NO_SHARES };
  }

  #add(clientId: string, subscription: Subscription): void {
    const { filter } = subscription;
    const inner = sharedFilter(filter);
    const share = inner === undefined ? undefined : filter;
    this.#trie.add(inner ?? filter, { clientId, subscription, share });
  }

  #remove(clientId: string, filter: string): void {
    const isIt = (route: Route) => route.clientId === clientId && route.subscription.filter === filter;
    this.#trie.remove(sharedFilter(filter) ?? filter, isIt);
  }
}

function merge(byClient: Map<string, Delivery>, clientId: string, subscription: Subscription, message: Message): void {
  const { identifier, retainAsPublished } = subscription;
  const qos = lower(subscription.qos, message.qos);
  const retain = message.retain && retainAsPublished;
  const delivery = byClient.get(clientId);
  if (delivery === undefined) {
    const identifiers = identifier === undefined ? NO_IDENTIFIERS : [identifier];
    byClient.set(clientId, { clientId, qos, retain, identifiers });
    return;
  }
  if (qos > delivery.qos) delivery.qos = qos;
  delivery.retain ||= retain;
  if (identifier !== undefined) delivery.identifiers = [...delivery.identifiers, identifier];
}

export function lower(one: Qos, other: Qos): Qos {
  return one < other ? one : other;
}

/** The topic filter of `$share/group/filter`; undefined for other filters. */
export function sharedFilter(filter: string): string | undefined {
  if (!filter.startsWith("$share/")) return undefined;
  const groupEnd = filter.indexOf("/", "$share/".length);
  return groupEnd < 0 ? undefined : filter.slice(groupEnd + 1);
}

function isEqual(one: Subscription, other: Subscription): boolean {
  return (
    one.qos === other.qos &&
    one.noLocal === other.noLocal &&
    one.retainAsPublished === other.retainAsPublished &&
    one.retainHandling === other.retainHandling &&
    one.identifier === other.identifier
  );
}

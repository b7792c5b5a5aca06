import type { BridgeConfig, IncomingConfig } from "./common/config.ts";
import type { BridgeEvents } from "./common/events.ts";
import { subscribeRefusal } from "./common/reasons.ts";
import { type BrokerFacts, type Connection, isFailure, type SubscribeWish } from "./connection/connection.ts";
import type { Place } from "./outbox/place.ts";
import type { TopicMap } from "./topics/topic-map.ts";

/** A filter that the outside broker does not serve as the configuration asks. */
export interface Refused {
  readonly filter: string;
  readonly why: string;
  /** Undefined if it is granted, but not as asked. */
  readonly code: number | undefined;
}

type Filters = ReturnType<TopicMap<IncomingConfig>["filters"]>;
type Answer = readonly Refused[] | undefined;

const NOT_SHARED: ReadonlySet<number> = new Set([0x8f, 0x9e]);

/** Brings the subscriptions of a session at the outside broker to the configuration. */
export class Subscriptions {
  readonly #config: Pick<BridgeConfig, "name" | "share" | "in">;
  readonly #filters: Filters;
  readonly #events: BridgeEvents;
  /** Of the last connection of this process: its session at the broker still has them. */
  #granted: { readonly asked: string; readonly refused: readonly Refused[] } | undefined;

  constructor(config: Pick<BridgeConfig, "name" | "share" | "in">, filters: Filters, events: BridgeEvents) {
    this.#config = config;
    this.#filters = filters;
    this.#events = events;
  }

  /** Resolves to what is refused; undefined if the connection ended meanwhile. */
  async subscribe(connection: Connection, facts: BrokerFacts, place: Place): Promise<Answer> {
    if (this.#filters.length === 0) return [];
    const { share } = this.#config;
    if (share === undefined) return this.#ask(connection, facts, place, undefined);
    if (facts.sharedAvailable) {
      const refused = await this.#ask(connection, facts, place, share);
      const isShared = refused?.every(({ code }) => code === undefined || !NOT_SHARED.has(code)) ?? true;
      if (isShared) return refused;
    }
    this.#events.notShared(this.#config.name, share);
    return this.#ask(connection, facts, place, undefined);
  }

  async #ask(connection: Connection, facts: BrokerFacts, place: Place, share: string | undefined): Promise<Answer> {
    const { name } = this.#config;
    const wishes = this.#filters.map(({ filter, extras }): SubscribeWish => {
      const isShared = share !== undefined;
      return {
        filter: isShared ? `$share/${share}/${filter}` : filter,
        qos: lower(highestOf(extras), facts.maximumQos),
        // MQTT forbids it for a shared subscription.
        noLocal: !isShared,
        // Retained messages arrive with a new subscription only, not with each connection.
        retainHandling: isShared ? 0 : 1,
      };
    });
    const asked = JSON.stringify(wishes);
    // MQTT 3.1.1 sends all retained messages again with each SUBSCRIBE.
    if (facts.sessionPresent && this.#granted?.asked === asked) return this.#granted.refused;
    const filters = wishes.map(({ filter }) => filter);
    const old = place.subscriptions.filter((filter) => !filters.includes(filter));
    if (facts.sessionPresent && old.length > 0) connection.unsubscribe(old);
    const codes = await connection.subscribe(wishes);
    if (codes.length === 0) return undefined;
    const refused = wishes.flatMap(({ filter, qos }, i): Refused[] => {
      const code = codes[i] ?? 0x80;
      if (isFailure(code)) return [{ filter, why: subscribeRefusal(connection.version, code), code }];
      if (code >= qos) return [];
      return [{ filter, why: `granted with QoS ${code} only: messages can be lost on the way`, code: undefined }];
    });
    for (const { filter, why } of refused) this.#events.subscriptionRefused(name, filter, why);
    this.#granted = { asked, refused };
    place.update({ subscriptions: filters.filter((_, i) => !isFailure(codes[i] ?? 0x80)) });
    return refused;
  }
}

function highestOf(extras: readonly IncomingConfig[]): 0 | 1 | 2 {
  const asked = new Set(extras.map(({ qos }) => qos));
  return asked.has(2) ? 2 : asked.has(1) ? 1 : 0;
}

function lower(left: 0 | 1 | 2, right: 0 | 1 | 2): 0 | 1 | 2 {
  return left < right ? left : right;
}

import { Random } from "../../simulation/random.ts";
import type { Qos, Version } from "../wire/bytes.ts";

/** A sequence as plain data: what each client does, one step after another. Steps that do not apply are skipped. */

export interface Plan {
  readonly seed: number;
  readonly clients: readonly ClientPlan[];
  readonly steps: readonly Step[];
}

export interface ClientPlan {
  readonly version: Version;
  /** MQTT 5 only. */
  readonly receiveMaximum: number | undefined;
  readonly topicAliasMaximum: number;
  /** Its maximum packet size lets small messages through, and no big ones. */
  readonly isSmall: boolean;
}

export interface MessagePlan {
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  /** An empty payload; with retain it removes the retained message. */
  readonly isEmpty: boolean;
  readonly isBig: boolean;
  /** The rest in MQTT 5 only. */
  readonly expirySeconds: number | undefined;
  readonly hasProperties: boolean;
  readonly byAlias: boolean;
}

export interface WishPlan {
  readonly filter: string;
  readonly share: string | undefined;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
}

export interface WillPlan {
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly delaySeconds: number;
}

export type Step =
  | {
      readonly kind: "connect";
      readonly client: number;
      readonly clean: boolean;
      readonly expirySeconds: number;
      readonly will: WillPlan | undefined;
    }
  | { readonly kind: "leave"; readonly client: number; readonly how: "disconnect" | "with-will" | "cut" }
  | { readonly kind: "subscribe"; readonly client: number; readonly wishes: readonly WishPlan[]; readonly id: number }
  | { readonly kind: "unsubscribe"; readonly client: number; readonly filters: readonly string[] }
  | { readonly kind: "publish"; readonly client: number; readonly messages: readonly MessagePlan[] }
  /** All clients publish at once, and one that does not may be cut meanwhile. */
  | { readonly kind: "burst"; readonly messages: readonly (readonly MessagePlan[])[]; readonly cut: number | undefined }
  /** Begins a QoS 2 message, repeats those that are begun, or releases them. */
  | { readonly kind: "begin" | "repeat" | "release"; readonly client: number; readonly topic: string }
  /** From now on, the client leaves this many messages unacknowledged. */
  | { readonly kind: "hold"; readonly client: number; readonly count: number }
  | { readonly kind: "acknowledge"; readonly client: number; readonly refuse: boolean }
  | { readonly kind: "wait" };

export const TOPICS = ["a", "a/b", "a/c", "b", "b/c/d", "a/", "/"] as const;
const FILTERS = ["a", "a/b", "a/+", "a/#", "#", "+", "+/+", "b/#", "b/+/d", "+/c", "/+", "b"] as const;
const HELD_MAX = 4;

export function makePlan(seed: number, versions: readonly Version[]): Plan {
  const random = new Random(seed);
  const clients = Array.from({ length: random.whole(2, 4) }, () => makeClient(random, random.pick(versions)));
  // Waiting takes seconds: few sequences do.
  const isSlow = random.chance(0.06);
  const steps: Step[] = clients.flatMap((_, client) => (random.chance(0.8) ? [connect(random, client, isSlow)] : []));
  const count = random.whole(8, 30);
  for (let n = 0; n < count; n++) steps.push(makeStep(random, clients.length, isSlow));
  return { seed, clients, steps };
}

function makeClient(random: Random, version: Version): ClientPlan {
  const isNew = version === 5;
  return {
    version,
    receiveMaximum: isNew && random.chance(0.4) ? random.whole(HELD_MAX + 1, 8) : undefined,
    topicAliasMaximum: isNew && random.chance(0.4) ? random.whole(1, 3) : 0,
    isSmall: isNew && random.chance(0.2),
  };
}

function makeStep(random: Random, clients: number, isSlow: boolean): Step {
  const client = random.whole(0, clients - 1);
  const dice = random.next();
  if (dice < 0.16) return connect(random, client, isSlow);
  if (dice < 0.26)
    return { kind: "leave", client, how: random.pick(["disconnect", "with-will", "cut", "cut"] as const) };
  if (dice < 0.46) return subscribe(random, client);
  if (dice < 0.52) return { kind: "unsubscribe", client, filters: [random.pick(FILTERS), random.pick(FILTERS)] };
  if (dice < 0.72) return { kind: "publish", client, messages: messages(random, { retain: true, isSlow }) };
  if (dice < 0.8) {
    const each = Array.from({ length: clients }, () => messages(random, { retain: false, isSlow }));
    return { kind: "burst", messages: each, cut: random.chance(0.5) ? client : undefined };
  }
  if (dice < 0.84) return { kind: "begin", client, topic: random.pick(TOPICS) };
  if (dice < 0.88) return { kind: random.pick(["repeat", "release"] as const), client, topic: "" };
  if (dice < 0.93) return { kind: "hold", client, count: random.whole(0, HELD_MAX) };
  if (dice < 0.97 || !isSlow) return { kind: "acknowledge", client, refuse: random.chance(0.2) };
  return { kind: "wait" };
}

function connect(random: Random, client: number, isSlow: boolean): Step {
  const will: WillPlan = {
    topic: random.pick(TOPICS),
    qos: random.pick([0, 1, 2] as const),
    retain: random.chance(0.3),
    delaySeconds: isSlow && random.chance(0.5) ? 1 : 0,
  };
  return {
    kind: "connect",
    client,
    clean: random.chance(0.3),
    expirySeconds: isSlow && random.chance(0.3) ? 1 : random.pick([0, 300, 300]),
    will: random.chance(0.35) ? will : undefined,
  };
}

function subscribe(random: Random, client: number): Step {
  const wishes = Array.from({ length: random.whole(1, 3) }, (): WishPlan => {
    const share = random.chance(0.15) ? random.pick(["g", "h"]) : undefined;
    return {
      filter: random.pick(FILTERS),
      share,
      qos: random.pick([0, 1, 2] as const),
      noLocal: share === undefined && random.chance(0.2),
      retainAsPublished: random.chance(0.3),
      retainHandling: random.pick([0, 0, 1, 2] as const),
    };
  });
  // Each filter once: what the same filter twice in one packet means has a check of its own.
  const once = wishes.filter(
    (wish, n) => wishes.findIndex(({ filter, share }) => filter === wish.filter && share === wish.share) === n,
  );
  return { kind: "subscribe", client, wishes: once, id: random.chance(0.4) ? random.whole(1, 300) : 0 };
}

function messages(random: Random, options: { readonly retain: boolean; readonly isSlow: boolean }): MessagePlan[] {
  return Array.from({ length: random.whole(0, 6) }, () => {
    const retain = options.retain && random.chance(0.3);
    return {
      topic: random.pick(TOPICS),
      qos: random.pick([0, 1, 2] as const),
      retain,
      isEmpty: retain && random.chance(0.25),
      isBig: random.chance(0.1),
      expirySeconds: random.chance(0.2) ? (options.isSlow && random.chance(0.5) ? 1 : 100) : undefined,
      hasProperties: random.chance(0.3),
      byAlias: random.chance(0.2),
    };
  });
}

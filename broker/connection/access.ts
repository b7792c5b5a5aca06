import type { CheckResult, PasswordChecks } from "../auth/password-checks.ts";
import { EVERYTHING, type Permission, permissionFor } from "../auth/topic-permission.ts";
import { ANONYMOUS, type LiveUsers } from "../auth/users.ts";
import type { BrokerConfig } from "../common/config.ts";
import type { BrokerEvents, Refusal } from "../common/events.ts";
import type { Link } from "../wire/link.ts";
import type { ConnectPacket, WillFields } from "../wire/packets/packets.ts";
import { REASON, type ReasonCode } from "../wire/packets/reason-codes.ts";
import { filterFault, isBridgeState, topicFault } from "../wire/topics.ts";

/**
 * MQTT 3.1.1, table 3.1: 1 unacceptable protocol version, 2 identifier rejected, 3 server unavailable, 4 bad user name or
 * password, 5 not authorized.
 */
export type ReturnCode = 1 | 2 | 3 | 4 | 5;

/** Why a CONNECT is refused, in the codes of all versions. */
export interface ConnectRefusal {
  readonly reason: Refusal;
  readonly returnCode: ReturnCode;
  readonly reasonCode: ReasonCode;
}

/** What a client is, and may do. */
export interface Grant {
  readonly user: string;
  readonly permission: Permission;
}

export interface AccessOptions {
  readonly config: BrokerConfig;
  readonly anonymous: boolean;
  readonly users: LiveUsers;
  readonly checks: PasswordChecks;
  readonly events: BrokerEvents;
  /** Connected clients except the one with this id, which a new connection replaces. */
  readonly othersConnected: (clientId: string) => number;
  /** The user whose connection or session has this client id; undefined if the id is free. */
  readonly ownerOf: (clientId: string) => string | undefined;
}

type Identification = { readonly granted: Grant } | { readonly refused: ConnectRefusal };

const CHECK_FAILED: Readonly<Record<Exclude<CheckResult, "verified">, ConnectRefusal>> = {
  "bad-credentials": { reason: "bad-credentials", returnCode: 4, reasonCode: REASON.badLogin },
  "login-throttled": { reason: "login-throttled", returnCode: 4, reasonCode: REASON.badLogin },
  "password-queue-full": { reason: "password-queue-full", returnCode: 3, reasonCode: REASON.serverBusy },
};

/** Decides who may connect, publish and subscribe. */
export class Access {
  readonly #options: AccessOptions;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** Whether a will makes its CONNECT malformed. */
  isMalformed({ qos, topic }: WillFields): boolean {
    return qos > 2 || topicFault(topic, this.#options.config.limits.topic_levels_max) === "bad-topic";
  }

  /** Checks the password, and whether the client may have its id and its will. */
  async connect(link: Link, packet: ConnectPacket, clientId: string): Promise<Identification> {
    const refused = this.#refusedAtOnce(packet, clientId);
    if (refused !== undefined) return { refused };
    const identified = await this.#identify(link, packet, clientId);
    if ("refused" in identified) return identified;
    const later = this.#refusedFor(identified.granted, packet, clientId);
    return later === undefined ? identified : { refused: later };
  }

  /** The rights of a user that is not connected; nothing if it was removed. */
  permissionOf(user: string, clientId: string): Permission | undefined {
    const { anonymous, config, users } = this.#options;
    if (user === ANONYMOUS) {
      if (anonymous && config.users_file === undefined) return EVERYTHING;
      return permissionFor(users.current().anonymous, { user: "", client: clientId });
    }
    const known = users.current().byName.get(user);
    return known === undefined ? undefined : permissionFor(known, { user, client: clientId });
  }

  /** Why a publish is refused; undefined if it is allowed. */
  publishRefusal(permission: Permission, topic: string): Refusal | undefined {
    const fault = topicFault(topic, this.#options.config.limits.topic_levels_max);
    if (fault !== undefined && !(fault === "system-topic" && isBridgeState(topic))) return fault;
    return permission.mayPublish(topic) ? undefined : "publish-denied";
  }

  /** Why a subscription is refused; undefined if it is allowed. */
  subscribeRefusal(link: Link, filter: string, existing: ReadonlyMap<string, unknown>): Refusal | undefined {
    const { subscriptions_per_client_max, topic_levels_max } = this.#options.config.limits;
    if (filter.split("/").length > topic_levels_max) return "bad-topic";
    if (!existing.has(filter) && existing.size >= subscriptions_per_client_max) return "too-many-subscriptions";
    return maySubscribe(link.permission, filter) ? undefined : "subscribe-denied";
  }

  #refusedAtOnce({ version, clean }: ConnectPacket, clientId: string): ConnectRefusal | undefined {
    const { client_id_size_max, clients_max } = this.#options.config.limits;
    // MQTT 3.1 has no empty client ids, 3.1.1 only for clean sessions. In MQTT 5 the broker has assigned one.
    const isMissing = clientId === "" && (version === 3 || !clean);
    if (isMissing || Buffer.byteLength(clientId) > client_id_size_max || hasControlCharacter(clientId)) return BAD_ID;
    // The queues of shared subscriptions have such ids.
    if (clientId.startsWith("$share/")) return BAD_ID;
    if (this.#options.othersConnected(clientId) < clients_max) return undefined;
    return { reason: "too-many-clients", returnCode: 3, reasonCode: REASON.quotaExceeded };
  }

  async #identify(link: Link, { username, password }: ConnectPacket, clientId: string): Promise<Identification> {
    const { anonymous, checks, config, users } = this.#options;
    // Without a users file, user names mean nothing.
    if (anonymous && config.users_file === undefined) return { granted: { user: ANONYMOUS, permission: EVERYTHING } };
    if (username === undefined || username === ANONYMOUS) {
      if (!anonymous) return { refused: NO_CREDENTIALS };
      const permission = permissionFor(users.current().anonymous, { user: "", client: clientId });
      return { granted: { user: ANONYMOUS, permission } };
    }
    const user = users.current().byName.get(username);
    const { address } = link;
    const result = await checks.check({ name: username, password: password ?? Buffer.alloc(0), user, address });
    if (result !== "verified") return { refused: CHECK_FAILED[result] };
    // The file may have changed during the check.
    const still = users.current().byName.get(username);
    const isSame = still !== undefined && still.password.text === user?.password.text;
    if (!isSame) return { refused: CHECK_FAILED["bad-credentials"] };
    return { granted: { user: username, permission: permissionFor(still, { user: username, client: clientId }) } };
  }

  #refusedFor({ user, permission }: Grant, { will }: ConnectPacket, clientId: string): ConnectRefusal | undefined {
    const owner = this.#options.ownerOf(clientId);
    // Otherwise a user could end another user's connection, or take over its session and the messages in it.
    if (owner !== undefined && owner !== user) {
      return { reason: "client-id-taken", returnCode: 2, reasonCode: REASON.badClientId };
    }
    if (will === undefined || isDropped(will)) return undefined;
    if (this.publishRefusal(permission, will.topic) === undefined) return undefined;
    return { reason: "bad-will", returnCode: 5, reasonCode: REASON.notAuthorized };
  }
}

const BAD_ID: ConnectRefusal = { reason: "bad-client-id", returnCode: 2, reasonCode: REASON.badClientId };
const NO_CREDENTIALS: ConnectRefusal = { reason: "no-credentials", returnCode: 5, reasonCode: REASON.notAuthorized };

/**
 * Whether a will is to a topic of the broker: the client may connect, but the will is never sent. Some bridges cannot be
 * configured without one.
 */
export function isDropped({ topic }: WillFields): boolean {
  return topic.startsWith("$") && !isBridgeState(topic);
}

/** A shared subscription needs the rights of its topic filter. */
export function maySubscribe(permission: Permission, filter: string): boolean {
  return permission.maySubscribe(filter.startsWith("$share/") ? filter.split("/").slice(2).join("/") : filter);
}

/** Whether a filter makes its packet malformed. */
export function isMalformedFilter(filter: string): boolean {
  if (!filter.startsWith("$share/") && filter !== "$share") return filterFault(filter) !== undefined;
  // [MQTT-4.8.2-1], [MQTT-4.8.2-2]
  const [, group = "", ...rest] = filter.split("/");
  return group === "" || /[+#]/.test(group) || rest.length === 0 || filterFault(rest.join("/")) !== undefined;
}

function hasControlCharacter(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern searches for control characters.
  return /[\u0000-\u001f\u007f\ufffd]/.test(text);
}

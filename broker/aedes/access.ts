import type { CheckResult, PasswordChecks } from "../auth/password-checks.ts";
import { EVERYTHING, type Permission, permissionFor } from "../auth/topic-permission.ts";
import { ANONYMOUS, type LiveUsers } from "../auth/users.ts";
import type { BrokerConfig } from "../common/config.ts";
import type { BrokerEvents, Refusal } from "../common/events.ts";
import type { Link } from "../wire/link.ts";
import { filterFault, topicFault } from "../wire/topics.ts";

/** The parts of a CONNECT that matter for access. */
export interface ConnectRequest {
  readonly clientId: string;
  readonly clean: boolean;
  readonly will: { readonly topic: string; readonly qos: number } | undefined;
}

export interface Login {
  readonly name: string | undefined;
  readonly password: Buffer | undefined;
}

/** MQTT 3.1.1, table 3.1: 2 identifier rejected, 3 server unavailable, 4 bad user name or password, 5 not authorized. */
export type ReturnCode = 2 | 3 | 4 | 5;

export class ConnectRefusedError extends Error {
  override readonly name = "ConnectRefusedError";
  readonly returnCode: ReturnCode;

  constructor(reason: Refusal, returnCode: ReturnCode) {
    super(`connection refused: ${reason}`);
    this.returnCode = returnCode;
  }
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

type Identification =
  | { readonly kind: "granted"; readonly user: string; readonly permission: Permission }
  | { readonly kind: "refused"; readonly reason: Refusal; readonly returnCode: ReturnCode };

const RETURN_CODES: Readonly<Record<Exclude<CheckResult, "verified">, ReturnCode>> = {
  "bad-credentials": 4,
  "login-throttled": 4,
  "password-queue-full": 3,
};

/** Decides who may connect, publish and subscribe. */
export class Access {
  readonly #options: AccessOptions;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** Why the CONNECT gets no answer; undefined if it gets one. */
  malformed(request: ConnectRequest): Refusal | undefined {
    const { will } = request;
    if (will === undefined) return undefined;
    if (will.qos > 2) return "bad-will";
    const fault = topicFault(will.topic, this.#options.config.limits.topic_levels_max);
    return fault === undefined || fault === "system-topic" ? undefined : "bad-will";
  }

  /** @throws ConnectRefusedError with the code for the CONNACK */
  async connect(link: Link, request: ConnectRequest, login: Login): Promise<void> {
    const identified = this.#refusedAtOnce(request) ?? (await this.#identify(link, request, login));
    const refused = identified.kind === "refused" ? identified : this.#refusedFor(identified, request);
    if (refused !== undefined) {
      this.#options.events.connectionRefused(refused.reason, request.clientId, login.name);
      throw new ConnectRefusedError(refused.reason, refused.returnCode);
    }
    if (identified.kind === "refused") return;
    link.user = identified.user;
    link.permission = identified.permission;
  }

  /** Why a publish is refused; undefined if it is allowed. */
  publishRefusal(permission: Permission, topic: string): Refusal | undefined {
    const fault = topicFault(topic, this.#options.config.limits.topic_levels_max);
    if (fault !== undefined) return fault;
    return permission.mayPublish(topic) ? undefined : "publish-denied";
  }

  /** Why a subscription is refused; undefined if it is allowed. */
  subscribeRefusal(link: Link, filter: string): Refusal | undefined {
    if (filter.startsWith("$share/")) return "shared-subscription";
    const fault = filterFault(filter);
    if (fault !== undefined) return fault;
    const { subscriptions_per_client_max } = this.#options.config.limits;
    if (!link.filters.has(filter) && link.filters.size >= subscriptions_per_client_max) return "too-many-subscriptions";
    return link.permission.maySubscribe(filter) ? undefined : "subscribe-denied";
  }

  #refusedAtOnce(request: ConnectRequest): Identification | undefined {
    const { clientId, clean } = request;
    const { client_id_size_max, clients_max } = this.#options.config.limits;
    const badId = clientId.length === 0 ? !clean : Buffer.byteLength(clientId) > client_id_size_max;
    if (badId || hasControlCharacter(clientId)) return refusal("bad-client-id", 2);
    if (this.#options.othersConnected(clientId) >= clients_max) return refusal("too-many-clients", 3);
    return undefined;
  }

  async #identify(link: Link, { clientId }: ConnectRequest, { name, password }: Login): Promise<Identification> {
    const { anonymous, checks, config } = this.#options;
    // Without a users file, user names mean nothing.
    if (anonymous && config.users_file === undefined) {
      return { kind: "granted", user: ANONYMOUS, permission: EVERYTHING };
    }
    if (name === undefined || name === ANONYMOUS) {
      if (!anonymous) return refusal("no-credentials", 5);
      const patterns = this.#options.users.current().anonymous;
      return { kind: "granted", user: ANONYMOUS, permission: permissionFor(patterns, { user: "", client: clientId }) };
    }
    const user = this.#options.users.current().byName.get(name);
    const result = await checks.check({ name, password: password ?? Buffer.alloc(0), user, address: link.address });
    if (result !== "verified") return refusal(result, RETURN_CODES[result]);
    // The file may have changed during the check.
    const still = this.#options.users.current().byName.get(name);
    if (still === undefined || still.password.text !== user?.password.text) return refusal("bad-credentials", 4);
    return { kind: "granted", user: name, permission: permissionFor(still, { user: name, client: clientId }) };
  }

  #refusedFor(granted: { readonly user: string; readonly permission: Permission }, request: ConnectRequest) {
    const { clientId, will } = request;
    const owner = this.#options.ownerOf(clientId);
    // Otherwise a user could end another user's connection, or take over its session and the messages in it.
    if (clientId !== "" && owner !== undefined && owner !== granted.user) return refusal("client-id-taken", 2);
    if (will !== undefined && this.publishRefusal(granted.permission, will.topic) !== undefined) {
      return refusal("bad-will", 5);
    }
    return undefined;
  }
}

function refusal(reason: Refusal, returnCode: ReturnCode) {
  return { kind: "refused" as const, reason, returnCode };
}

function hasControlCharacter(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern searches for control characters.
  return /[\u0000-\u001f\u007f\ufffd]/.test(text);
}

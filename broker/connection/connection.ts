import { randomBytes } from "node:crypto";
import type { BrokerConfig } from "../common/config.ts";
import type { BrokerEvents, Refusal } from "../common/events.ts";
import type { DeliverOptions, Session, SessionClient } from "../sessions/session.ts";
import type { Leaving, Sessions } from "../sessions/sessions.ts";
import type { Message, StoredWill, Subscription } from "../store/port.ts";
import type { Inbound } from "../wire/inbound.ts";
import { IncomingQos2 } from "../wire/incoming-qos2.ts";
import type { Link, PacketHandler } from "../wire/link.ts";
import type { PacketError } from "../wire/packets/bytes.ts";
import { UnsupportedVersionError } from "../wire/packets/decode.ts";
import { encodeAck, encodeConnack, encodeDisconnect, encodeSuback, encodeUnsuback } from "../wire/packets/encode.ts";
import type {
  ClientPacket,
  ConnectPacket,
  DisconnectPacket,
  SubscribePacket,
  UnsubscribePacket,
} from "../wire/packets/packets.ts";
import { REASON, type ReasonCode } from "../wire/packets/reason-codes.ts";
import { type Access, type ConnectRefusal, isDropped, isMalformedFilter, maySubscribe } from "./access.ts";
import { connackProperties, expiryMax, expirySecondsOf, keepaliveOf, storedWill } from "./connect.ts";
import { Outgoing } from "./outgoing.ts";
import { RetainedFlow } from "./retained-flow.ts";

export interface ConnectionOptions {
  readonly link: Link;
  readonly config: BrokerConfig;
  readonly events: BrokerEvents;
  readonly access: Access;
  readonly inbound: Inbound;
  readonly sessions: Sessions;
  readonly nowUs: () => number;
  /** Called when the client's CONNECT has arrived. */
  readonly onConnect: () => void;
}

const PINGRESP = Buffer.from([0xd0, 0x00]);
/** MQTT 5: the client wants its will sent. */
const DISCONNECT_WITH_WILL = 0x04;

/** One client, from its CONNECT to the end of its connection. */
export class Connection implements PacketHandler, SessionClient {
  readonly link: Link;
  readonly #options: ConnectionOptions;
  #isBridge = false;
  #session: Session | undefined;
  #outgoing: Outgoing | undefined;
  #retained: RetainedFlow | undefined;
  #leaving: Leaving = { withWill: true, expirySeconds: 0 };
  /** The client sends nothing more, but waits for its acknowledgements. */
  #isEnding = false;
  readonly #onEmptied: (() => void)[] = [];

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.link = options.link;
  }

  packet(packet: ClientPacket): void {
    switch (packet.type) {
      case "connect":
        this.#options.onConnect();
        this.#run(this.#connect(packet));
        return;
      case "puback":
      case "pubrec":
      case "pubcomp":
        this.#outgoing?.acknowledged(packet);
        return;
      case "pubrel":
        this.#options.inbound.released(this.link, packet.packetId, (wasKnown) => {
          const reasonCode = wasKnown ? REASON.success : REASON.packetIdNotFound;
          this.link.write(encodeAck("pubcomp", packet.packetId, this.link.dialect, reasonCode));
        });
        return;
      case "subscribe":
        this.#runHeld(() => this.#subscribe(packet));
        return;
      case "unsubscribe":
        this.#runHeld(() => this.#unsubscribe(packet));
        return;
      case "pingreq":
        this.link.write(PINGRESP);
        return;
      case "disconnect":
        this.#disconnect(packet);
        return;
      case "auth":
        this.#broke("AUTH without an authentication method in CONNECT");
    }
  }

  failed(error: PacketError): void {
    const { link } = this;
    const { events } = this.#options;
    if (error instanceof UnsupportedVersionError) {
      link.droppedFor = error.refusal;
      events.versionRefused(error.level, error.clientId, link.address);
      const isNewer = (error.level & 0x7f) > 5;
      const dialect = { ...link.dialect, version: isNewer ? (5 as const) : (4 as const) };
      const codes = { returnCode: 1, reasonCode: REASON.unsupportedVersion, sessionPresent: false };
      link.close(error.refusal, encodeConnack(codes, dialect));
      return;
    }
    events.connectionDropped(error.refusal, link.clientId, error.message);
    this.end(error.refusal, error.reasonCode, error.message);
  }

  end(refusal: Refusal, reasonCode: ReasonCode, text?: string): void {
    const { link } = this;
    if (link.connected && link.dialect.version === 5) {
      link.close(refusal, encodeDisconnect(reasonCode, link.dialect, { text }));
    } else {
      link.drop(refusal);
    }
  }

  ended(): void {
    this.#isEnding = true;
    this.#closeIfEnded();
  }

  emptied(): void {
    if (this.link.isEmpty) for (const act of this.#onEmptied.splice(0)) act();
    this.#closeIfEnded();
  }

  /** Resolves once subscribers have what the client has published: its next subscription is not for these. */
  async #published(): Promise<void> {
    if (!this.link.isEmpty) await new Promise<void>((resolve) => this.#onEmptied.push(resolve));
  }

  /** The socket is closed. */
  closed(): void {
    this.#outgoing?.closed();
    const session = this.#session;
    if (session !== undefined) this.#run(this.#options.sessions.leave(session, this.#leaving));
  }

  /** The client has finished what it was sent, or its connection has ended; nothing more is sent from its queue. */
  async finish(): Promise<void> {
    await this.#outgoing?.finish();
  }

  /** The broker stops. `to`: another edge of this broker has the client's session, or only a later start. */
  shutDown(to: "another-edge" | "later"): void {
    const { link } = this;
    const isTold = link.connected && link.dialect.version === 5;
    const text = to === "later" ? "the broker stops" : "this edge drains; connect again, to another edge";
    const reasonCode = to === "later" ? REASON.shuttingDown : REASON.useAnotherServer;
    link.close("stopping", isTold ? encodeDisconnect(reasonCode, link.dialect, { text }) : undefined);
  }

  deliver(message: Message, options: DeliverOptions): void {
    this.#outgoing?.deliver(message, options);
  }

  announced(bytes: number): void {
    this.#outgoing?.announced(bytes);
  }

  room(): number {
    return this.#outgoing?.room ?? 0;
  }

  async takenOver(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.end("taken-over", REASON.takenOver, "another connection has the same client id");
    if (session === undefined) return;
    await this.#options.sessions.yieldTo(session, this.#leaving);
  }

  async #connect(packet: ConnectPacket): Promise<void> {
    const { link } = this;
    const { access, config, events } = this.#options;
    const { version, will } = packet;
    link.clientId = packet.clientId;
    link.silenceMsMax = keepaliveOf(packet, config.limits).silenceMsMax;
    this.#isBridge = packet.isBridge;
    if (will !== undefined && access.isMalformed(will)) {
      events.connectionDropped("bad-will", packet.clientId);
      if (version === 5) this.#refuse({ reason: "bad-will", returnCode: 5, reasonCode: REASON.topicInvalid });
      else link.drop("bad-will");
      return;
    }
    const needsId = packet.clientId === "" && (version === 5 || (version === 4 && packet.clean));
    const clientId = needsId ? `auto-${randomBytes(12).toString("base64url")}` : packet.clientId;
    const outcome =
      packet.properties.authenticationMethod === undefined
        ? await access.connect(link, packet, clientId)
        : { refused: NO_SUCH_METHOD };
    if (link.closed) return;
    if ("refused" in outcome) {
      events.connectionRefused(outcome.refused.reason, packet.clientId, packet.username);
      this.#refuse(outcome.refused);
      return;
    }
    link.clientId = clientId;
    link.user = outcome.granted.user;
    link.permission = outcome.granted.permission;
    if (will !== undefined && isDropped(will)) events.willDropped("system-topic", clientId, will.topic);
    const of = { publisher: clientId, receivedAtUs: this.#options.nowUs() };
    await this.#open(packet, needsId, will === undefined || isDropped(will) ? undefined : storedWill(will, of));
  }

  async #open(packet: ConnectPacket, hasNewId: boolean, will: StoredWill | undefined): Promise<void> {
    const { link } = this;
    const { config, events, nowUs, sessions } = this.#options;
    const { limits } = config;
    const { version, properties } = packet;
    const { clientId, permission } = link;
    const expirySeconds = expirySecondsOf(packet, limits);
    this.#leaving = { withWill: true, expirySeconds };
    const opened = await sessions.open({
      clientId,
      user: link.user,
      cleanStart: packet.clean,
      expirySeconds,
      will,
      client: this,
      maySubscribe: (filter) => maySubscribe(permission, filter),
    });
    const { session, present } = opened;
    if (link.closed) {
      await sessions.leave(session, this.#leaving);
      return;
    }
    this.#session = session;
    link.incoming = new IncomingQos2(session.incoming);
    if (version === 5) link.receiveMax = limits.inflight_per_client_max;
    const { receiveMaximum: receiveMax = 65_535, topicAliasMaximum: topicAliasMax = 0 } = properties;
    const onSlow = (waiting: number) => this.#endSlow(waiting);
    const outgoing = new Outgoing({ link, limits, events, nowUs, receiveMax, topicAliasMax, onSlow });
    outgoing.mustRecheck = opened.hasLostRights;
    this.#outgoing = outgoing;
    this.#retained = new RetainedFlow({ session, sessions, outgoing, isClosed: () => link.closed, nowUs });
    const answer = {
      // MQTT 3.1 has no such flag.
      sessionPresent: present && version > 3,
      returnCode: 0,
      reasonCode: REASON.success,
      properties: connackProperties(packet, { limits, permission, clientId, hasNewId, expirySeconds }),
    };
    link.write(encodeConnack(answer, link.dialect));
    link.opened();
    outgoing.start(session, sessions);
  }

  #refuse({ reason, returnCode, reasonCode }: ConnectRefusal): void {
    const { link } = this;
    link.close(
      reason,
      encodeConnack({ returnCode, reasonCode, sessionPresent: false }, link.dialect, { text: reason }),
    );
  }

  #disconnect({ reasonCode, sessionExpiryInterval }: DisconnectPacket): void {
    const { limits } = this.#options.config;
    if (sessionExpiryInterval !== undefined) {
      if (this.#leaving.expirySeconds === 0 && sessionExpiryInterval > 0) {
        this.#broke("DISCONNECT gives a session an expiry that CONNECT did not give it");
        return;
      }
      const expirySeconds = Math.min(sessionExpiryInterval, expiryMax(limits));
      this.#leaving = { ...this.#leaving, expirySeconds };
    }
    this.#leaving = { ...this.#leaving, withWill: reasonCode === DISCONNECT_WITH_WILL || reasonCode >= 0x80 };
    this.link.close(undefined);
  }

  async #subscribe({ packetId, filters, identifier }: SubscribePacket): Promise<void> {
    const { link } = this;
    const { access, config, events, sessions } = this.#options;
    await this.#published();
    const session = this.#session;
    if (session === undefined || link.closed) return;
    const malformed = filters.find(({ filter }) => isMalformedFilter(filter));
    if (malformed !== undefined) {
      events.connectionDropped("bad-topic", link.clientId, malformed.filter);
      this.end("bad-topic", REASON.filterInvalid, `the filter ${JSON.stringify(malformed.filter)} is malformed`);
      return;
    }
    const added = new Map<string, Subscription>();
    const fresh: Subscription[] = [];
    const codes: number[] = [];
    let refused = 0;
    const all = new Map(session.subscriptions);
    for (const { filter, qos, ...asked } of filters) {
      const refusal = access.subscribeRefusal(link, filter, all);
      if (refusal !== undefined) {
        events.subscribeRefused(refusal, link.clientId, filter);
        codes.push(link.dialect.version === 5 ? (SUBACK_CODES[refusal] ?? REASON.unspecified) : REASON.unspecified);
        // A packet of many thousand refused filters costs as much as one of granted ones.
        if (++refused <= config.limits.subscriptions_per_client_max) continue;
        events.connectionDropped("too-many-subscriptions", link.clientId, "one SUBSCRIBE packet");
        this.end("too-many-subscriptions", REASON.quotaExceeded);
        return;
      }
      const options = this.#isBridge ? { ...asked, noLocal: true, retainAsPublished: true } : asked;
      const subscription = { filter, qos, ...options, ...(identifier === undefined ? {} : { identifier }) };
      const isNew = !all.has(filter);
      const isShared = filter.startsWith("$share/");
      if (!isShared && (asked.retainHandling === 0 || (asked.retainHandling === 1 && isNew))) fresh.push(subscription);
      added.set(filter, subscription);
      all.set(filter, subscription);
      codes.push(qos);
    }
    if (added.size > 0) await sessions.subscribe(session, [...added.values()]);
    link.write(encodeSuback(packetId, codes, link.dialect));
    const retained = this.#retained?.add(fresh.filter((each) => added.get(each.filter) === each));
    if (retained !== undefined) this.#run(retained);
  }

  async #unsubscribe({ packetId, filters }: UnsubscribePacket): Promise<void> {
    await this.#published();
    const session = this.#session;
    if (session === undefined || this.link.closed) return;
    const existed = await this.#options.sessions.unsubscribe(session, filters);
    const codes = existed.map((did) => (did ? REASON.success : REASON.noSubscriptionExisted));
    this.link.write(encodeUnsuback(packetId, codes, this.link.dialect));
  }

  #endSlow(waitingBytes: number): void {
    const { link } = this;
    if (link.droppedFor !== undefined) return;
    this.#options.events.connectionDropped("slow-subscriber", link.clientId, `${waitingBytes} bytes wait`);
    // It does not read: it would not get a last packet either.
    link.drop("slow-subscriber");
  }

  #broke(text: string): void {
    this.#options.events.connectionDropped("protocol-error", this.link.clientId, text);
    this.end("protocol-error", REASON.protocolError, text);
  }

  #closeIfEnded(): void {
    const { link } = this;
    if (!this.#isEnding || link.closed || link.inflight > 0 || (link.isHeld && link.connected)) return;
    link.close(undefined);
  }

  /** Reads nothing more until the work is done, so that packets keep their order. */
  #runHeld(work: () => Promise<void>): void {
    this.link.hold();
    const done = () => {
      this.link.release();
      this.#closeIfEnded();
    };
    this.#run(work().finally(done));
  }

  #run(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (this.link.closed) return;
      this.#options.events.brokerFailed(error);
      this.end("session-lost", REASON.unspecified);
    });
  }
}

const NO_SUCH_METHOD: ConnectRefusal = {
  reason: "authentication-method",
  returnCode: 5,
  reasonCode: REASON.badAuthenticationMethod,
};

const SUBACK_CODES: Readonly<Partial<Record<Refusal, ReasonCode>>> = {
  "bad-topic": REASON.filterInvalid,
  "subscribe-denied": REASON.notAuthorized,
  "too-many-subscriptions": REASON.quotaExceeded,
};

import { readFileSync } from "node:fs";
import mqtt, { type IClientOptions, type IConnackPacket, type IPublishPacket, type MqttClient } from "mqtt";
import {
  type Connack,
  type Connection,
  type ConnectOptions,
  type Filter,
  type Library,
  type MessageProperties,
  type Publication,
  type Received,
  RefusedError,
} from "../common/port.ts";

const PROTOCOLS = { tcp: "mqtt", tls: "mqtts", ws: "ws" } as const;
const RECONNECT_MS = 50;
const CONNECT_MS_MAX = 10_000;

/** mqtt.js, in this process. */
export function mqttJs(): Library {
  const open = new Set<MqttClient>();
  return {
    name: "mqtt.js",
    versions: [4, 5],
    transports: ["tcp", "tls", "ws"],
    // It keeps user properties by name, so that the order of different names is lost.
    features: new Set([
      "reason codes of PUBACK",
      "reason codes of PUBREC",
      "reason code of disconnect",
      "topic alias",
      "content type of wills",
      "empty client id",
      "reconnects",
    ]),
    async connect(options) {
      const url = `${PROTOCOLS[options.transport]}://${options.host}:${options.port}`;
      const client = mqtt.connect(url, optionsOf(options));
      open.add(client);
      const connection = new MqttJsConnection(client, options.version);
      await connection.connected();
      return connection;
    },
    async stop() {
      await Promise.all([...open].map((client) => client.endAsync(true)));
    },
  };
}

function optionsOf(options: ConnectOptions): IClientOptions {
  const { version, will, sessionExpiry, receiveMaximum } = options;
  const properties = {
    ...(sessionExpiry === undefined ? {} : { sessionExpiryInterval: sessionExpiry }),
    ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
    topicAliasMaximum: 10,
  };
  return {
    protocolVersion: version,
    clientId: options.clientId,
    clean: options.cleanStart,
    reconnectPeriod: options.reconnects ? RECONNECT_MS : 0,
    connectTimeout: CONNECT_MS_MAX,
    resubscribe: false,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    ...(options.transport === "tls" ? { ca: readFileSync(options.caFile) } : {}),
    ...(version === 5 ? { properties } : {}),
    ...(will === undefined
      ? {}
      : {
          will: {
            topic: will.topic,
            payload: Buffer.from(will.payload),
            qos: will.qos ?? 0,
            retain: will.retain ?? false,
            ...(version === 5 ? { properties: { ...sent(will.properties), willDelayInterval: will.delay ?? 0 } } : {}),
          },
        }),
  };
}

function sent(properties: MessageProperties = {}): NonNullable<IPublishPacket["properties"]> {
  const { payloadFormat, contentType, responseTopic, correlationData, userProperties, messageExpiry, topicAlias } =
    properties;
  const user: Record<string, string[]> = {};
  for (const [name, value] of userProperties ?? []) {
    user[name] ??= [];
    user[name].push(value);
  }
  return {
    ...(payloadFormat === undefined ? {} : { payloadFormatIndicator: payloadFormat === 1 }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlationData === undefined ? {} : { correlationData: Buffer.from(correlationData) }),
    ...(userProperties === undefined ? {} : { userProperties: user }),
    ...(messageExpiry === undefined ? {} : { messageExpiryInterval: messageExpiry }),
    ...(topicAlias === undefined ? {} : { topicAlias }),
  };
}

function received(packet: IPublishPacket): Received {
  const { properties = {} } = packet;
  const user = Object.entries({ ...properties.userProperties }).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, value] as const),
  );
  return {
    topic: packet.topic,
    payload: packet.payload.toString(),
    qos: packet.qos,
    retain: packet.retain,
    dup: packet.dup,
    subscriptionIdentifiers: [properties.subscriptionIdentifier ?? []].flat(),
    properties: {
      ...(properties.payloadFormatIndicator === undefined
        ? {}
        : { payloadFormat: Number(properties.payloadFormatIndicator) }),
      ...(properties.contentType === undefined ? {} : { contentType: properties.contentType }),
      ...(properties.responseTopic === undefined ? {} : { responseTopic: properties.responseTopic }),
      ...(properties.correlationData === undefined ? {} : { correlationData: properties.correlationData.toString() }),
      ...(user.length === 0 ? {} : { userProperties: user }),
      ...(properties.messageExpiryInterval === undefined ? {} : { messageExpiry: properties.messageExpiryInterval }),
    },
  };
}

class MqttJsConnection implements Connection {
  readonly #client: MqttClient;
  readonly #version: 4 | 5;
  readonly messages: Received[] = [];
  connack: Connack = { sessionPresent: false, reasonCode: 0 };
  connects = 0;
  closed: { readonly reasonCode?: number } | undefined;
  #disconnectCode: number | undefined;

  constructor(client: MqttClient, version: 4 | 5) {
    this.#client = client;
    this.#version = version;
    // The topic is the one that an alias stands for; that of the packet may be empty.
    client.on("message", (topic, _payload, packet) => void this.messages.push({ ...received(packet), topic }));
    client.on("connect", (packet: IConnackPacket) => {
      const assigned = packet.properties?.assignedClientIdentifier;
      this.connects += 1;
      this.closed = undefined;
      this.connack = {
        sessionPresent: packet.sessionPresent,
        reasonCode: packet.reasonCode ?? packet.returnCode ?? 0,
        ...(assigned === undefined ? {} : { assignedClientId: assigned }),
      };
    });
    client.on("disconnect", (packet) => {
      this.#disconnectCode = packet.reasonCode ?? 0;
    });
    client.on("close", () => {
      this.closed = this.#disconnectCode === undefined ? {} : { reasonCode: this.#disconnectCode };
    });
    // Broken connections are seen as `closed`.
    client.on("error", () => {});
  }

  connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.once("connect", () => resolve());
      this.#client.once("error", (error) => {
        const code = "code" in error && typeof error.code === "number" ? error.code : undefined;
        reject(code === undefined ? error : new RefusedError(code));
        this.#client.end(true);
      });
      this.#client.once("close", () => reject(new Error("the connection closed before a CONNACK")));
    });
  }

  async subscribe(filters: readonly Filter[], identifier?: number): Promise<readonly number[]> {
    const map = Object.fromEntries(
      filters.map(({ filter, qos = 0, noLocal = false, retainAsPublished = false, retainHandling = 0 }) => [
        filter,
        this.#version === 5 ? { qos, nl: noLocal, rap: retainAsPublished, rh: retainHandling } : { qos },
      ]),
    );
    const properties = identifier === undefined ? {} : { properties: { subscriptionIdentifier: identifier } };
    return new Promise((resolve, reject) => {
      this.#client.subscribe(map, { qos: 0, ...properties }, (error, _granted, packet) => {
        if (packet !== undefined) resolve(packet.granted.map(Number));
        else reject(error ?? new Error("no SUBACK"));
      });
    });
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.#client.unsubscribeAsync(filter);
  }

  publish({ topic, payload, qos = 0, retain = false, properties }: Publication): Promise<number> {
    const more = this.#version === 5 && properties !== undefined ? { properties: sent(properties) } : {};
    return new Promise((resolve, reject) => {
      this.#client.publish(topic, payload, { qos, retain, ...more }, (error, packet) => {
        const code = error !== null && error !== undefined && "code" in error ? error.code : undefined;
        if (typeof code === "number") resolve(code);
        else if (error) reject(error);
        else resolve(packet !== undefined && "reasonCode" in packet ? Number(packet.reasonCode ?? 0) : 0);
      });
    });
  }

  async cut(): Promise<void> {
    this.#client.stream.destroy();
  }

  async close(): Promise<void> {
    await this.#client.endAsync();
  }
}

import { randomBytes } from "node:crypto";
import { connect, type MqttClient } from "mqtt";
import { z } from "zod";
import type { OwnBroker } from "../../contracts/notifications.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { reasonOf } from "../../domain/reason.ts";
import { addressSchema, secretEnv, secretFile, secretValue } from "../../platform/files/secret-values.ts";
import { parseTemplate, type Template } from "../../rule-language/template/template.ts";
import type { Notification } from "../common/notification.ts";
import { cloudEventOf } from "../messages/cloudevents.ts";
import { fillAlert, singleBraces, templateSchema } from "../messages/templates.ts";
import { type Outcome, type Target, untilAborted } from "./target.ts";
import { addressIn, type TargetContext, type TargetKind } from "./target-kind.ts";
import { TARGET_SETTINGS } from "./target-settings.ts";

const KEEPALIVE_SECONDS = 30;

const topicSchema = templateSchema(1_000).superRefine((topic, context) => {
  const add = (message: string): void => context.addIssue({ code: "custom", message });
  const [place] = singleBraces(topic);
  if (place !== undefined) {
    const fixed = topic.replace(/(?<!\{)\{([^{}]+)\}(?!\})/g, "{{ $1 }}");
    return add(`{${place}} is written {{ ${place} }}; write "${fixed}"`);
  }
  const plain = parseTemplate(topic).parts.filter((part) => typeof part === "string");
  if (plain.some((part) => /[#+\p{Cc}]/u.test(part))) {
    add("must not hold #, + or control characters: a notification is published to one topic");
  }
});

const schema = z.strictObject({
  ...TARGET_SETTINGS,
  url: addressSchema({
    protocols: ["mqtt", "mqtts", "ws", "wss"],
    example: "mqtt://broker.example.com:1883 (or mqtts://, ws://, wss://)",
    instead: "username and password_env (or password_file)",
  })
    .optional()
    .describe("The broker. Default: Weir's own."),
  topic: topicSchema
    .default("alerts/{{ rule }}/{{ device }}")
    .describe("Topic to publish to. `{{ rule }}`, `{{ severity }}`, `{{ state }}` and any label are filled in."),
  qos: z
    .union([z.literal(0), z.literal(1), z.literal(2)])
    .default(1)
    .describe("MQTT quality of service."),
  retain: z.boolean().default(false).describe("Publish retained: the broker keeps the newest change of each topic."),
  username: z.string().min(1).optional().describe("User name for the broker."),
  password_env: secretEnv("the password for the broker"),
  password_file: secretFile("the password for the broker"),
});

type MqttSettings = z.output<typeof schema>;

export const MQTT = {
  doc: "An MQTT message, published to a topic.",
  recognizedBy: "the CloudEvent's `id` with its `source`",
  example: { url: "mqtt://broker.plant.example:1883", topic: "alerts/{{ rule }}/{{ device }}", retain: true },
  schema,
  secrets: ({ password_env: env, password_file: file }) => [{ env, file }],
  create: (settings, context) => new MqttTarget(settings, context),
  address: ({ url }) => (url === undefined ? "own-broker" : addressIn(url)),
} satisfies TargetKind<MqttSettings>;

interface Connection {
  readonly client: MqttClient;
  /** Settles when the broker has answered. */
  readonly ready: Promise<void>;
  isClosed(): boolean;
}

/**
 * Publishes each alert's CloudEvent to a topic. The alerts of a group are published one at a time, each to its topic.
 */
class MqttTarget implements Target {
  readonly #settings: MqttSettings;
  readonly #topic: Template;
  readonly #password: string | undefined;
  readonly #clientId: string;
  /** How errors name the broker. */
  readonly #broker: string;
  readonly #findOwnBroker: () => Promise<OwnBroker>;
  #connection: Connection | undefined;
  #opening: Promise<Connection> | undefined;

  constructor(settings: MqttSettings, { name, environment, findOwnBroker }: TargetContext) {
    this.#settings = settings;
    this.#topic = parseTemplate(settings.topic);
    this.#password = secretValue(name, { env: settings.password_env, file: settings.password_file }, environment);
    this.#clientId = `weir-notifier-${name}-${randomBytes(4).toString("hex")}`;
    this.#broker = settings.url ?? "Weir's own broker";
    this.#findOwnBroker = findOwnBroker;
  }

  async send(notification: Notification, signal: AbortSignal): Promise<Outcome> {
    const timedOut: Outcome = { kind: "failed", error: `${this.#broker}: no acknowledgement in time` };
    const outcome = await untilAborted(this.#publish(notification, signal), signal, timedOut);
    // The message was not acknowledged, so it must not arrive later over this connection.
    if (outcome.kind !== "delivered") this.#drop();
    return outcome;
  }

  async close(): Promise<void> {
    const last = this.#connection;
    this.#connection = undefined;
    if (last?.client.connected) await last.client.endAsync().catch(() => {});
    else last?.client.end(true);
  }

  async #publish(notification: Notification, signal: AbortSignal): Promise<Outcome> {
    const { qos, retain } = this.#settings;
    try {
      if (this.#connection?.isClosed()) this.#drop();
      const { client, ready } = this.#connection ?? (await this.#openOnce());
      if (signal.aborted) throw new Error("no answer in time");
      await ready;
      for (const logged of notification.changes) {
        const payload = JSON.stringify(cloudEventOf({ ...notification, grouped: false, changes: [logged] }));
        await client.publishAsync(topicOf(this.#topic, logged.change), payload, { qos, retain });
      }
      return { kind: "delivered" };
    } catch (error) {
      return { kind: "failed", error: `${this.#broker}: ${reasonOf(error)}` };
    }
  }

  /** Simultaneous notifications share a connection. */
  #openOnce(): Promise<Connection> {
    this.#opening ??= this.#open()
      .then((opened) => {
        this.#connection = opened;
        return opened;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  async #open(): Promise<Connection> {
    const { url, username, timeout } = this.#settings;
    const own = url === undefined ? await this.#findOwnBroker() : undefined;
    const host = own?.host.includes(":") ? `[${own.host}]` : own?.host;
    const client = connect(url ?? `mqtt://${host}:${own?.port}`, {
      clientId: own === undefined ? this.#clientId : `${own.clientIdPrefix}${this.#clientId}`,
      clean: true,
      keepalive: KEEPALIVE_SECONDS,
      // The sender retries with a new connection: a client that reconnects would publish twice.
      reconnectPeriod: 0,
      connectTimeout: timeout / 1_000,
      ...(username === undefined ? {} : { username }),
      ...(this.#password === undefined ? {} : { password: this.#password }),
    });
    let closed = false;
    const ready = new Promise<void>((resolve, reject) => {
      client.once("connect", () => resolve());
      client.on("error", reject);
      client.once("close", () => {
        closed = true;
        reject(new Error("the connection was closed"));
      });
    });
    // `publish` awaits it and sees a failure. If nothing awaits it, it must not become an unhandled rejection.
    ready.catch(() => {});
    return { client, ready, isClosed: () => closed };
  }

  #drop(): void {
    this.#connection?.client.end(true);
    this.#connection = undefined;
  }
}

/** Fills an alert into a topic. `/`, `+` and `#` in a label become `_`, so that a label cannot choose another level. */
export function topicOf(template: Template, change: AlertChange): string {
  return fillAlert(template, change, (text) => text.replace(/[/+#\p{Cc}]/gu, "_") || "-");
}

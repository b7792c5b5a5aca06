import { randomBytes } from "node:crypto";
import { connect, type MqttClient } from "mqtt";
import type { OwnBroker } from "../../contracts/notifications.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { reasonOf } from "../../domain/reason.ts";
import { type Environment, secretValue } from "../../platform/files/secret-values.ts";
import type { MqttConfig } from "../common/config.ts";
import { labelOf } from "../routing/matchers.ts";
import { cloudEventOf } from "./cloudevents.ts";
import type { Message, Outcome, Target } from "./target.ts";

const KEEPALIVE_SECONDS = 30;

export interface MqttTargetOptions {
  readonly name: string;
  readonly environment: Environment;
  /** Asks where Weir's own broker is; rejects when nobody says. */
  readonly findOwnBroker: () => Promise<OwnBroker>;
}

interface Link {
  readonly client: MqttClient;
  /** Settles when the broker has answered. */
  readonly ready: Promise<void>;
  /** Whether the connection is lost. */
  closed(): boolean;
}

/** Publishes each alert's CloudEvent to a topic. The alerts of a group are published one by one, each to its topic. */
export function createMqttTarget(config: MqttConfig, options: MqttTargetOptions): Target {
  const { name, environment, findOwnBroker } = options;
  const { username, topic, qos, retain } = config;
  const password = secretValue(name, { env: config.password_env, file: config.password_file }, environment);
  const clientId = `weir-notifier-${name}-${randomBytes(4).toString("hex")}`;
  const place = config.url ?? "Weir's own broker";
  let link: Link | undefined;
  let opening: Promise<Link> | undefined;

  async function open(): Promise<Link> {
    const own = config.url === undefined ? await findOwnBroker() : undefined;
    const host = own?.host.includes(":") ? `[${own.host}]` : own?.host;
    const client = connect(config.url ?? `mqtt://${host}:${own?.port}`, {
      clientId: own === undefined ? clientId : `${own.clientIdPrefix}${clientId}`,
      clean: true,
      keepalive: KEEPALIVE_SECONDS,
      // The sender tries again, with a new connection: a client of its own mind would send twice.
      reconnectPeriod: 0,
      connectTimeout: config.timeout / 1_000,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
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
    // Whoever waits for it hears of a failure; nobody may wait any more.
    ready.catch(() => {});
    return { client, ready, closed: () => closed };
  }

  /** Messages that go out at one time share a connection. */
  function openOnce(): Promise<Link> {
    opening ??= open()
      .then((opened) => {
        link = opened;
        return opened;
      })
      .finally(() => {
        opening = undefined;
      });
    return opening;
  }

  function drop(): void {
    link?.client.end(true);
    link = undefined;
  }

  async function publish(message: Message, signal: AbortSignal): Promise<Outcome> {
    try {
      if (link?.closed()) drop();
      const { client, ready } = link ?? (await openOnce());
      if (signal.aborted) throw new Error("no answer in time");
      await ready;
      for (const entry of message.entries) {
        const payload = JSON.stringify(cloudEventOf({ ...message, grouped: false, entries: [entry] }));
        await client.publishAsync(fillTopic(topic, entry.change), payload, { qos, retain });
      }
      return { kind: "delivered" };
    } catch (error) {
      return { kind: "failed", error: `${place}: ${reasonOf(error)}` };
    }
  }

  return {
    async send(message, signal) {
      let stop = (): void => {};
      const ended = new Promise<Outcome>((resolve) => {
        stop = () => resolve({ kind: "failed", error: `${place}: no acknowledgement in time` });
        signal.addEventListener("abort", stop, { once: true });
        if (signal.aborted) stop();
      });
      const outcome = await Promise.race([publish(message, signal), ended]);
      signal.removeEventListener("abort", stop);
      // What was not acknowledged must not arrive later from this connection.
      if (outcome.kind !== "delivered") drop();
      return outcome;
    },
    async close() {
      const last = link;
      link = undefined;
      if (last?.client.connected) await last.client.endAsync().catch(() => {});
      else last?.client.end(true);
    },
  };
}

/** Fills an alert into a topic. What a topic gives a meaning becomes `_`, so a label cannot choose another level. */
export function fillTopic(template: string, change: AlertChange): string {
  return template.replace(/\{([^{}]+)\}/g, (_, name: string) => {
    const text = name === "state" ? change.state : (labelOf(change, name) ?? "");
    return text.replace(/[/+#\p{Cc}]/gu, "_") || "-";
  });
}

import { type Environment, SecretError, secretValue } from "../../platform/files/secret-values.ts";
import type { WebhookConfig } from "../common/config.ts";
import { slackMessage, teamsMessage } from "./chat.ts";
import { CLOUDEVENTS_JSON, cloudEventOf } from "./cloudevents.ts";
import { post } from "./http.ts";
import { signingKeys, webhookHeaders } from "./signature.ts";
import type { Message, Target } from "./target.ts";
import { linkOf } from "./texts.ts";

export interface HttpTargetOptions {
  /** Names the target in errors: `ops.webhook`. */
  readonly name: string;
  readonly environment: Environment;
  readonly externalUrl: string | undefined;
  readonly nowMs: () => number;
}

/** Posts each message to an address, signed as Standard Webhooks says. Throws SecretError when a secret is missing. */
export function createWebhookTarget(config: WebhookConfig, options: HttpTargetOptions): Target {
  const { name, environment, nowMs } = options;
  const url = addressOf(config, options);
  const secret = secretValue(name, { env: config.secret_env, file: config.secret_file }, environment);
  const keys = secret === undefined ? [] : signingKeys(name, secret);
  const headers = { ...config.headers, ...secretHeaders(config.headers_env, options) };
  const chat = { title: config.title, text: config.text, link: linkOf(options.externalUrl) };

  function bodyOf(message: Message): { readonly type: string; readonly value: unknown } {
    switch (config.format) {
      case "cloudevents":
        return { type: CLOUDEVENTS_JSON, value: cloudEventOf(message) };
      case "slack":
        return { type: "application/json", value: slackMessage(message, chat) };
      case "teams":
        return { type: "application/json", value: teamsMessage(message, chat) };
    }
  }

  return {
    send(message, signal) {
      const { type, value } = bodyOf(message);
      const body = JSON.stringify(value);
      const signed = webhookHeaders({ id: message.id, sentAtSeconds: nowMs() / 1_000, body, keys });
      return post({
        ...{ url, body, signal, nowMs },
        headers: { "user-agent": "weir-notifier", ...headers, "content-type": type, ...signed },
      });
    },
    close: async () => {},
  };
}

/** The address that the configuration, the environment or a file gives. Throws SecretError. */
export function addressOf(
  config: {
    readonly url?: string | undefined;
    readonly url_env?: string | undefined;
    readonly url_file?: string | undefined;
  },
  { name, environment }: HttpTargetOptions,
): string {
  const url =
    config.url ?? secretValue(`${name}: address`, { env: config.url_env, file: config.url_file }, environment);
  if (url === undefined || !URL.canParse(url) || !/^https?:/.test(url)) {
    const place = config.url_env === undefined ? config.url_file : `the environment variable ${config.url_env}`;
    throw new SecretError(`${name}: ${place} must hold an address like https://example.org/hook`);
  }
  return url;
}

export function secretHeaders(
  headers_env: Readonly<Record<string, string>>,
  { name, environment }: HttpTargetOptions,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers_env).map(([header, env]) => [
      header,
      secretValue(`${name}: ${header}`, { env }, environment) ?? "",
    ]),
  );
}

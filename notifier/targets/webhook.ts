import { z } from "zod";
import { secretEnv, secretFile, secretValue } from "../../platform/files/secret-values.ts";
import type { Notification } from "../common/notification.ts";
import type { ChatOptions } from "../messages/chat-parts.ts";
import { linkOf, TEXT_SETTINGS, textTemplates } from "../messages/texts.ts";
import { FORMAT_NAMES, WEBHOOK_FORMATS } from "../messages/webhook-formats.ts";
import { post } from "./http.ts";
import { HTTP_SETTINGS, headersSchema, httpSecrets, secretHeadersOf, urlOf, withOneAddress } from "./http-settings.ts";
import { signingKeys, webhookHeaders } from "./signature.ts";
import type { Outcome, Target } from "./target.ts";
import { addressIn, type TargetContext, type TargetKind } from "./target-kind.ts";
import { TARGET_SETTINGS } from "./target-settings.ts";

const { headers_env, ...address } = HTTP_SETTINGS;
const formats = FORMAT_NAMES.map((name) => `\`${name}\`: ${WEBHOOK_FORMATS[name].doc}`).join("; ");

const schema = withOneAddress(
  z.strictObject({
    ...TARGET_SETTINGS,
    ...address,
    ...TEXT_SETTINGS,
    format: z.enum(FORMAT_NAMES).default("cloudevents").describe(`What is posted. ${formats}.`),
    secret_env: secretEnv("the secret `whsec_...` that signs each notification (Standard Webhooks)"),
    secret_file: secretFile("the secret that signs each notification"),
    headers: headersSchema,
    headers_env,
  }),
);

type WebhookSettings = z.output<typeof schema>;

export const WEBHOOK = {
  doc: "An HTTP request for each notification.",
  recognizedBy: "header `webhook-id`; also the CloudEvent's `id` with its `source`",
  example: { url: "https://tickets.plant.example/hooks/weir" },
  schema,
  secrets: (settings) => [{ env: settings.secret_env, file: settings.secret_file }, ...httpSecrets(settings)],
  create: (settings, context) => new WebhookTarget(settings, context),
  address: (settings, context) => addressIn(urlOf(settings, context)),
} satisfies TargetKind<WebhookSettings>;

/** Posts each notification to an address, signed according to Standard Webhooks. */
class WebhookTarget implements Target {
  readonly #format: (typeof WEBHOOK_FORMATS)[WebhookSettings["format"]];
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #keys: readonly Buffer[];
  readonly #chat: ChatOptions;
  readonly #nowMs: () => number;

  constructor(settings: WebhookSettings, context: TargetContext) {
    const { secret_env: env, secret_file: file } = settings;
    this.#url = urlOf(settings, context);
    this.#format = WEBHOOK_FORMATS[settings.format];
    const secret = secretValue(context.name, { env, file }, context.environment);
    this.#keys = secret === undefined ? [] : signingKeys(context.name, secret);
    this.#headers = { ...settings.headers, ...secretHeadersOf(settings, context) };
    this.#chat = { ...textTemplates(settings), link: linkOf(context.externalUrl) };
    this.#nowMs = context.nowMs;
  }

  send(notification: Notification, signal: AbortSignal): Promise<Outcome> {
    const body = JSON.stringify(this.#format.body(notification, this.#chat));
    const sentAtSeconds = this.#nowMs() / 1_000;
    const signed = webhookHeaders({ id: notification.id, sentAtSeconds, body, keys: this.#keys });
    const type = { "content-type": this.#format.contentType };
    const headers = { "user-agent": "weir-notifier", ...this.#headers, ...type, ...signed };
    return post({ url: this.#url, headers, body, signal, nowMs: this.#nowMs });
  }

  async close(): Promise<void> {}
}

import { z } from "zod";
import { parseDurationUs, US_PER_DAY, US_PER_SECOND } from "../../domain/time.ts";
import { durationField } from "../../platform/files/schemas.ts";
import { addressSchema, secretEnv, secretEnvMap, secretFile } from "../../platform/files/secret-values.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const name = z.string().regex(NAME, "must be letters, digits, - and _ (64 at most)");
const YEAR_US = 365 * US_PER_DAY;
const duration = (min: string, max: string, fallback: string) => durationField(min, max).prefault(fallback);

const common = {
  name: name
    .optional()
    .describe("Name of the target in logs, metrics and Weir's own records. Default: its kind, numbered."),
  timeout: duration("100ms", "10m", "10s").describe("A try that takes longer has failed."),
  concurrency: z
    .int()
    .min(1)
    .max(16)
    .default(4)
    .describe("Messages in flight at a time. After a crash, this many may arrive twice (with the same id)."),
  collapse: z
    .boolean()
    .default(true)
    .describe("Skip an incident that began and ended before it could be sent. `false`: send both changes, in order."),
  retry: z
    .strictObject({
      first: duration("10ms", "1h", "1s").describe("The longest pause after the first failure; it doubles each time."),
      max: duration("10ms", "1d", "5m").describe("The longest pause between two tries."),
      attempts: z
        .int()
        .min(1)
        .max(100_000)
        .default(500)
        .describe("Number of tries. Then the message becomes a dead letter."),
      within: duration("1s", "30d", "6h").describe("How long to try. Then the message becomes a dead letter."),
    })
    .prefault({})
    .describe("What to do when the other side does not accept a message."),
};

const texts = {
  title: z
    .string()
    .min(1)
    .max(1_000)
    .optional()
    .describe("Heading of an alert; `{{ device }}`, `{{ value }}` and the like are filled in."),
  text: z.string().min(1).max(10_000).optional().describe("Text of an alert, filled in likewise."),
};

const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "is not the name of a header");

/** Headers that carry credentials. */
const SECRET_HEADERS = new Set(["authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"]);

const headers = z
  .record(headerName, z.string())
  .default({})
  .superRefine((given, context) => {
    for (const header of Object.keys(given).filter((each) => SECRET_HEADERS.has(each.toLowerCase()))) {
      const message = "is a secret; give the name of an environment variable under headers_env instead";
      context.addIssue({ code: "custom", path: [header], message });
    }
  })
  .describe("Headers sent with each message.");

const headersEnv = secretEnvMap(headerName).describe(
  "Headers whose values are secrets: the environment variables that hold them.",
);

/** Hosts of chat rooms: who knows an address there may post. */
const SECRET_HOSTS = /^(?:hooks\.slack\.com|discord(?:app)?\.com|.*\.webhook\.office\.com|.*\.logic\.azure\.com)$/;

const address = {
  url: addressSchema({
    protocols: ["http", "https"],
    example: "https://example.org/hook",
    instead: "url_env or url_file for the whole address, or headers_env for an Authorization header",
  })
    .refine((url) => !URL.canParse(url) || !SECRET_HOSTS.test(new URL(url).hostname), {
      error: "is a secret: everyone who knows this address can post to it; use url_env or url_file",
    })
    .optional()
    .describe("Where to post. Give exactly one of `url`, `url_env` and `url_file`."),
  url_env: secretEnv("the address, if the address is a secret (as those of chat rooms are)"),
  url_file: secretFile("the address"),
};

const webhookSchema = oneAddress(
  z.strictObject({
    ...common,
    ...address,
    ...texts,
    format: z
      .enum(["cloudevents", "slack", "teams"])
      .default("cloudevents")
      .describe("What is posted: the alert's CloudEvent, a message for Slack, or an Adaptive Card for Teams."),
    secret_env: secretEnv("the secret `whsec_...` that signs each message (Standard Webhooks)"),
    secret_file: secretFile("the secret that signs each message"),
    headers,
    headers_env: headersEnv,
  }),
);

const mqttSchema = z.strictObject({
  ...common,
  url: addressSchema({
    protocols: ["mqtt", "mqtts", "ws", "wss"],
    example: "mqtt://broker.example.com:1883 (or mqtts://, ws://, wss://)",
    instead: "username and password_env (or password_file)",
  })
    .optional()
    .describe("The broker. Left out: Weir's own."),
  topic: z
    .string()
    .min(1)
    .refine((topic) => !/[#+\p{Cc}]/u.test(topic), {
      error: "must not hold # or +, nor control characters: one publishes to a single topic",
    })
    .default("alerts/{rule}/{device}")
    .describe("Topic to publish to; {rule}, {severity}, {state}, {incident} and any label are filled in."),
  qos: z
    .union([z.literal(0), z.literal(1), z.literal(2)])
    .default(1)
    .describe("MQTT quality of service."),
  retain: z.boolean().default(false).describe("Publish retained: the broker keeps the newest change of each topic."),
  username: z.string().min(1).optional().describe("User name for the broker."),
  password_env: secretEnv("the password for the broker"),
  password_file: secretFile("the password for the broker"),
});

const mailbox = z.string().regex(/^[^\r\n]+@[^\r\n]+$/, "must be an address like ops@example.org");

const emailSchema = z.strictObject({
  ...common,
  timeout: duration("1s", "10m", "30s").describe("A try that takes longer has failed."),
  host: z.string().min(1).describe("The mail server."),
  port: z.int().min(1).max(65_535).optional().describe("Default: 465 with `tls: implicit`, else 587."),
  tls: z
    .enum(["starttls", "implicit", "opportunistic", "none"])
    .default("starttls")
    .describe(
      "`starttls`: required. `opportunistic`: if the server offers it. `none`: never, for a server on this machine.",
    ),
  ca_file: z
    .string()
    .min(1)
    .optional()
    .describe("Certificate of the authority that signed the server's certificate, if it is not a public one."),
  username: z.string().min(1).optional().describe("User name for the mail server."),
  password_env: secretEnv("the password for the mail server"),
  password_file: secretFile("the password for the mail server"),
  from: mailbox.describe("Sender."),
  to: z.array(mailbox).min(1).max(100).describe("Recipients."),
  ...texts,
});

const alertmanagerSchema = oneAddress(
  z.strictObject({
    ...common,
    ...address,
    headers_env: headersEnv,
    resend: duration("1s", "1h", "1m").describe(
      "How often a firing alert is sent again. Alertmanager resolves an alert that it has not received for four times as long.",
    ),
  }),
);

const KINDS = ["webhook", "mqtt", "email", "alertmanager"] as const;

const targetSchema = z
  .strictObject({
    webhook: webhookSchema.optional().describe("An HTTP request for each message."),
    mqtt: mqttSchema.optional().describe("An MQTT message, published to a topic."),
    email: emailSchema.optional().describe("An e-mail for each message."),
    alertmanager: alertmanagerSchema.optional().describe("Prometheus Alertmanager, which then notifies people."),
  })
  .refine((target) => KINDS.filter((kind) => target[kind] !== undefined).length === 1, {
    error: `must be exactly one of ${KINDS.join(", ")}; start another list item for another one`,
  });

const patterns = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
export const matchersSchema = z.record(z.string().min(1), patterns);

/** How often; undefined for `never`. */
const repeatInterval = z.string().transform((text, context) => {
  if (text === "never") return undefined;
  const us = parseDurationUs(text);
  if (us !== undefined && us >= US_PER_SECOND && us <= YEAR_US) return us;
  const message =
    us === undefined
      ? `"${text}" is not a duration; write for example 30m, 4h, or never`
      : "must be from 1s to 365d, or never";
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

const groupingShape = {
  group_by: z
    .array(z.string().min(1))
    .max(20)
    .optional()
    .describe(
      "Alerts with equal values of these labels share messages; `[]` groups all of them. Left out: each alert has its own message, at once.",
    ),
  group_wait: duration("0s", "1d", "30s").describe("How long a new group waits for more of its alerts."),
  group_interval: duration("0s", "7d", "5m").describe("Pause between two messages of a group."),
  repeat_interval: repeatInterval
    .prefault("4h")
    .describe("How often to notify again of an alert that still fires and nobody has acknowledged; `never` for once."),
  states: z
    .array(z.enum(["pending", "firing", "resolved", "inactive"]))
    .min(1)
    .default(["firing", "resolved"])
    .describe("Which changes to notify of."),
};

const groupingSchema = z.strictObject(groupingShape);
export type GroupingConfig = z.output<typeof groupingSchema>;

export const notifierConfigSchema = z
  .strictObject({
    receivers: z
      .record(name, z.array(targetSchema).min(1).max(32))
      .default({})
      .describe(
        "Who can be notified, by the name that rules give in `notify`. Every target of the list gets each message.",
      ),
    routes: z
      .array(
        z.strictObject({
          match: matchersSchema
            .default({})
            .describe(
              "Which alerts, by `rule`, `severity` or any label. A value is exact, a list, or a glob with `*` and `?`. All must match.",
            ),
          receivers: z
            .array(name)
            .min(1)
            .describe("Receivers to notify, besides those that the rule names in `notify`."),
          ...groupingShape,
        }),
      )
      .max(1_000)
      .default([])
      .describe(
        "Who else to notify, and in which groups. The first route that matches an alert and names a receiver decides how that receiver is notified.",
      ),
    defaults: groupingSchema.prefault({}).describe("How to notify receivers that only a rule names."),
    max_age: duration("1m", "365d", "1h").describe(
      "An incident that ended and could not be sent within this time is skipped. Firing alerts are sent at any age.",
    ),
    inhibit_wait: duration("0s", "1h", "15s").describe(
      "How long an alert of a rule with `inhibited_by` waits for its cause, which may be noticed later.",
    ),
    inhibit_after: duration("0s", "1d", "1m").describe(
      "How long alerts stay inhibited after their cause has ended: they end themselves with their next readings.",
    ),
    external_url: addressSchema({
      protocols: ["http", "https"],
      example: "https://weir.example.com",
      instead: "a feed token, which people enter on the page",
    })
      .optional()
      .describe("Address at which people open Weir's page; messages link to it."),
  })
  .superRefine(({ receivers, routes }, context) => {
    for (const [i, route] of routes.entries()) {
      for (const [k, receiver] of route.receivers.entries()) {
        if (Object.hasOwn(receivers, receiver)) continue;
        const known = Object.keys(receivers).join(", ") || "none";
        const message = `"${receiver}" is not a receiver; there are: ${known}`;
        context.addIssue({ code: "custom", path: ["routes", i, "receivers", k], message });
      }
    }
    for (const [receiver, targets] of Object.entries(receivers)) {
      const names = targetNames(targets);
      for (const [i, target] of names.entries()) {
        if (names.indexOf(target) === i) continue;
        const message = `two targets are named "${target}"; rename one`;
        context.addIssue({ code: "custom", path: ["receivers", receiver, i], message });
      }
    }
  });

export type NotifierConfig = z.output<typeof notifierConfigSchema>;
export type TargetConfig = z.output<typeof targetSchema>;
export type WebhookConfig = z.output<typeof webhookSchema>;
export type MqttConfig = z.output<typeof mqttSchema>;
export type EmailConfig = z.output<typeof emailSchema>;
export type AlertmanagerConfig = z.output<typeof alertmanagerSchema>;
export type CommonConfig = Pick<WebhookConfig, "timeout" | "concurrency" | "collapse" | "retry">;

/** What a target is remembered by: its own name, or its kind, numbered from the second on. */
export function targetNames(targets: readonly TargetConfig[]): string[] {
  const seen = new Map<string, number>();
  return targets.map((target) => {
    const kind = KINDS.find((each) => target[each] !== undefined) ?? "webhook";
    const own = target[kind]?.name;
    if (own !== undefined) return own;
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    return count === 1 ? kind : `${kind}-${count}`;
  });
}

/** Exactly one of `url`, `url_env` and `url_file`. */
function oneAddress<
  T extends z.ZodType<{ url?: string | undefined; url_env?: string | undefined; url_file?: string | undefined }>,
>(schema: T): T {
  return schema.refine(
    ({ url, url_env, url_file }) => [url, url_env, url_file].filter((each) => each !== undefined).length === 1,
    {
      error: "give exactly one of url, url_env (the name of an environment variable) and url_file",
    },
  );
}

import { z } from "zod";
import { parseDurationUs, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND } from "../../domain/time.ts";
import { durationUsBetween } from "../../platform/files/schemas.ts";
import { secretTextSchema } from "./secrets.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const name = z.string().regex(NAME, "must be letters, digits, - and _ (64 at most)");
const YEAR_US = 365 * US_PER_DAY;
const duration = (minUs: number, maxUs: number, fallback: string) =>
  durationUsBetween({ minUs, maxUs }).prefault(fallback);

const common = {
  name: name
    .optional()
    .describe("Names the target in logs and figures, and what is remembered of it. Default: its kind, numbered."),
  timeout: duration(100_000, 10 * US_PER_MINUTE, "10s").describe("A try that takes longer has failed."),
  concurrency: z
    .int()
    .min(1)
    .max(16)
    .default(4)
    .describe("Messages on their way at one time. So many may come twice (with the same id) after a crash."),
  collapse: z
    .boolean()
    .default(true)
    .describe("Leave out an incident that began and ended before it could be sent. false: tell both, in order."),
  retry: z
    .strictObject({
      first: duration(10_000, US_PER_HOUR, "1s").describe(
        "The longest pause after a first failure; it doubles each time.",
      ),
      max: duration(10_000, US_PER_DAY, "5m").describe("The longest pause between two tries."),
      attempts: z.int().min(1).max(100_000).default(500).describe("Tries, then it becomes a dead letter."),
      within: duration(US_PER_SECOND, 30 * US_PER_DAY, "6h").describe("How long it is tried, then likewise."),
    })
    .prefault({})
    .describe("What to do when the other side does not take a message."),
};

const texts = {
  title: z
    .string()
    .min(1)
    .max(1_000)
    .optional()
    .describe("Heading of an alert; {{ device }} and the like are filled in."),
  text: z.string().min(1).max(10_000).optional().describe("Text of an alert, likewise."),
};

const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "is no name of a header");

/** An address that is a secret itself (those of chat rooms are) comes from the environment or a file. */
const address = {
  url: z.url({ protocol: /^https?$/, error: "must be an address like https://example.org/hook" }).optional(),
  urlEnv: secretTextSchema.env.optional(),
  urlFile: secretTextSchema.file.optional(),
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
    secretEnv: secretTextSchema.env.optional().describe("Signs each message (Standard Webhooks): `whsec_...`."),
    secretFile: secretTextSchema.file.optional(),
    headers: z.record(headerName, z.string()).default({}).describe("Sent with each message."),
    headersEnv: z
      .record(headerName, secretTextSchema.env)
      .default({})
      .describe("Headers whose values are secrets: names of environment variables."),
  }),
);

const mqttSchema = z.strictObject({
  ...common,
  url: z
    .string()
    .regex(/^(mqtts?|wss?):\/\//, "must begin with mqtt://, mqtts://, ws:// or wss://")
    .optional()
    .describe("The broker. Weir's own when left out."),
  topic: z
    .string()
    .min(1)
    .refine((topic) => !/[#+\p{Cc}]/u.test(topic), {
      error: "must not hold # or +, nor control characters: one publishes to a single topic",
    })
    .default("alerts/{rule}/{device}")
    .describe("Where to publish; {rule}, {severity}, {state}, {incident} and any label are filled in."),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(1),
  retain: z.boolean().default(false).describe("The broker keeps the newest change of each topic."),
  username: z.string().min(1).optional(),
  passwordEnv: secretTextSchema.env.optional(),
  passwordFile: secretTextSchema.file.optional(),
});

const mailbox = z.string().regex(/^[^\r\n]+@[^\r\n]+$/, "must be an address like ops@example.org");

const emailSchema = z.strictObject({
  ...common,
  timeout: duration(US_PER_SECOND, 10 * US_PER_MINUTE, "30s").describe("A try that takes longer has failed."),
  host: z.string().min(1).describe("The mail server."),
  port: z.int().min(1).max(65_535).optional().describe("Default: 465 with tls: implicit, else 587."),
  tls: z
    .enum(["starttls", "implicit", "opportunistic", "none"])
    .default("starttls")
    .describe("starttls: required. opportunistic: if the server offers it. none: never, for a server on this machine."),
  caFile: z
    .string()
    .min(1)
    .optional()
    .describe("The authority that signed the server's certificate, if not a public one."),
  username: z.string().min(1).optional(),
  passwordEnv: secretTextSchema.env.optional(),
  passwordFile: secretTextSchema.file.optional(),
  from: mailbox,
  to: z.array(mailbox).min(1).max(100),
  ...texts,
});

const alertmanagerSchema = oneAddress(
  z.strictObject({
    ...common,
    ...address,
    headersEnv: z.record(headerName, secretTextSchema.env).default({}).describe("As in a webhook, for authentication."),
    resend: duration(US_PER_SECOND, US_PER_HOUR, "1m").describe(
      "How often what is firing is told again: Alertmanager ends what it hears nothing of. It is told to wait four times as long.",
    ),
  }),
);

const KINDS = ["webhook", "mqtt", "email", "alertmanager"] as const;

const targetSchema = z
  .strictObject({
    webhook: webhookSchema.optional().describe("An HTTP request for each message."),
    mqtt: mqttSchema.optional().describe("Published to a topic."),
    email: emailSchema.optional().describe("A mail for each message."),
    alertmanager: alertmanagerSchema.optional().describe("Prometheus' Alertmanager, which then tells people."),
  })
  .refine((target) => KINDS.filter((kind) => target[kind] !== undefined).length === 1, {
    error: `must be exactly one of ${KINDS.join(", ")}; begin another list item for another one`,
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
      "Alerts with equal values of these labels share messages; [] is one group of all. Left out: each by itself, at once.",
    ),
  group_wait: duration(0, US_PER_DAY, "30s").describe("How long a new group waits for more of its alerts."),
  group_interval: duration(0, 7 * US_PER_DAY, "5m").describe("Pause between two messages of a group."),
  repeat_interval: repeatInterval
    .prefault("4h")
    .describe("What still fires and nobody acknowledged is told again this often; `never` for once."),
  states: z
    .array(z.enum(["pending", "firing", "resolved", "inactive"]))
    .min(1)
    .default(["firing", "resolved"])
    .describe("Which changes are told."),
};

const groupingSchema = z.strictObject(groupingShape);
export type GroupingConfig = z.output<typeof groupingSchema>;

export const notifierConfigSchema = z
  .strictObject({
    receivers: z
      .record(name, z.array(targetSchema).min(1).max(32))
      .default({})
      .describe("Who can be told, by the name that rules give in `notify`; each of the list is told."),
    routes: z
      .array(
        z.strictObject({
          match: matchersSchema
            .default({})
            .describe(
              "By rule, severity or any label; a value is exact, a list, or a glob with * and ?. All must fit.",
            ),
          receivers: z.array(name).min(1).describe("Are told, besides those that the rule names in `notify`."),
          ...groupingShape,
        }),
      )
      .max(1_000)
      .default([])
      .describe(
        "Who else is told, and in which groups. The first route that fits an alert and names a receiver says how.",
      ),
    defaults: groupingSchema.prefault({}).describe("How those are told that only the rule names."),
    max_age: duration(US_PER_MINUTE, YEAR_US, "1h").describe(
      "An incident that is over and was not told within this time is skipped. What fires is told at any age.",
    ),
    inhibit_wait: duration(0, US_PER_HOUR, "15s").describe(
      "How long an alert of a rule with `inhibited_by` waits for what inhibits it: causes may be noticed later.",
    ),
    inhibit_after: duration(0, US_PER_DAY, "1m").describe(
      "How long beyond the end of what inhibits them alerts are held: their own ends follow with their next readings.",
    ),
    externalUrl: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe("Where people open Weir's page; messages link to it."),
  })
  .superRefine(({ receivers, routes }, context) => {
    for (const [i, route] of routes.entries()) {
      for (const [k, receiver] of route.receivers.entries()) {
        if (Object.hasOwn(receivers, receiver)) continue;
        const known = Object.keys(receivers).join(", ") || "none";
        const message = `"${receiver}" is no receiver; there are: ${known}`;
        context.addIssue({ code: "custom", path: ["routes", i, "receivers", k], message });
      }
    }
    for (const [receiver, targets] of Object.entries(receivers)) {
      const names = targetNames(targets);
      for (const [i, target] of names.entries()) {
        if (names.indexOf(target) === i) continue;
        const message = `two targets are named "${target}"; give one another name`;
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

/** Exactly one of `url`, `urlEnv` and `urlFile`. */
function oneAddress<
  T extends z.ZodType<{ url?: string | undefined; urlEnv?: string | undefined; urlFile?: string | undefined }>,
>(schema: T): T {
  return schema.refine(
    ({ url, urlEnv, urlFile }) => [url, urlEnv, urlFile].filter((each) => each !== undefined).length === 1,
    {
      error: "give exactly one of url, urlEnv (the name of an environment variable) and urlFile",
    },
  );
}

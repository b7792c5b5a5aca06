import { z } from "zod";
import { durationField } from "../../platform/files/schemas.ts";
import { addressSchema, secretEnv, secretFile } from "../../platform/files/secret-values.ts";
import { overlaps, parseMapping } from "../topics/topic-map.ts";

const qos = z.union([z.literal(0), z.literal(1), z.literal(2)]);

const incomingSchema = z
  .strictObject({
    remote: z
      .string()
      .min(1)
      .describe(
        "Topics of the other broker: `+` is a level, `#` the rest, `{name}` a level that `local` may use. Weir subscribes to them.",
      ),
    local: z
      .string()
      .min(1)
      .optional()
      .describe(
        "The topic here: `{name}` is a level that `remote` names, each `+` the next `+` of `remote`, `#` its rest. Left out: the same topic.",
      ),
    qos: qos.default(1).describe("The highest MQTT quality of service of the subscription."),
    to: z
      .enum(["both", "readings", "clients"])
      .default("both")
      .describe(
        "`readings`: messages go through the sources into the log. `clients`: to subscribers at Weir's broker only, such as commands for devices. `both`: as if a device had published them here.",
      ),
  })
  .superRefine(({ remote, local }, context) => {
    const problem = parseMapping(remote, local);
    if (problem.kind === "bad") {
      context.addIssue({ code: "custom", path: [problem.in === "from" ? "remote" : "local"], message: problem.why });
    }
  });

const outgoingSchema = z
  .strictObject({
    local: z
      .string()
      .min(1)
      .describe(
        "Topics here, as devices publish them: `+` is a level, `#` the rest, `{name}` a level that `remote` may use.",
      ),
    remote: z
      .string()
      .min(1)
      .optional()
      .describe(
        "The topic at the other broker: `{name}` is a level that `local` names, each `+` the next `+` of `local`, `#` its rest. Left out: the same topic.",
      ),
    qos: z
      .union([z.literal(0), z.literal(1)])
      .default(1)
      .describe("1: repeated until the other broker has acknowledged it. 0: sent once."),
    retain: z
      .enum(["keep", "always", "never"])
      .default("keep")
      .describe("The retained flag: as the device set it, always or never."),
  })
  .superRefine(({ local, remote }, context) => {
    const problem = parseMapping(local, remote);
    if (problem.kind === "bad") {
      context.addIssue({ code: "custom", path: [problem.in === "from" ? "local" : "remote"], message: problem.why });
    }
  });

export type IncomingConfig = z.output<typeof incomingSchema>;
export type OutgoingConfig = z.output<typeof outgoingSchema>;

const tlsSchema = z
  .strictObject({
    ca_file: z
      .string()
      .min(1)
      .optional()
      .describe("PEM file of the authority that signed the other broker's certificate. Left out: the public ones."),
    cert_file: z.string().min(1).optional().describe("PEM file of the certificate that Weir shows."),
    key_file: z.string().min(1).optional().describe("PEM file of the private key of that certificate."),
    server_name: z
      .string()
      .min(1)
      .optional()
      .describe("The host name that the certificate must have, if it is not the one in `url`."),
  })
  .refine(({ cert_file, key_file }) => (cert_file === undefined) === (key_file === undefined), {
    error: "cert_file and key_file belong together; give both",
  });

const bridgeSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/, "must be letters, digits, _ and -, at most 64")
      .describe("Names the bridge in the log, the metrics and on the page. Its place in the queue hangs on it."),
    url: addressSchema({
      protocols: ["mqtt", "mqtts", "ws", "wss"],
      example: "mqtt://broker.example.com:1883 (or mqtts://, ws://, wss://)",
      instead: "username and password_env (or password_file)",
    }).describe("The other broker."),
    version: z
      .enum(["auto", "5", "3.1.1"])
      .default("auto")
      .describe("Version of MQTT. `auto`: 5, or 3.1.1 where the other broker does not speak 5."),
    client_id: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Client id at the other broker: its session, and what waits in it, hang on it. Left out: `weir-` and the name. Each gateway needs its own.",
      ),
    username: z.string().min(1).optional().describe("User name for the other broker."),
    password_env: secretEnv("the password"),
    password_file: secretFile("the password"),
    tls: tlsSchema.prefault({}).describe("For `mqtts://` and `wss://`."),
    keep_alive: durationField("5s", "18h").prefault("30s").describe("How often the connection is checked."),
    session_expiry: durationField("1m", "3650d")
      .prefault("7d")
      .describe(
        "How long the other broker keeps the session while Weir is away (MQTT 5; in 3.1.1 the broker decides).",
      ),
    share: z
      .string()
      .regex(/^[^/+#]+$/, "must not hold /, + or #")
      .optional()
      .describe(
        "Group of a shared subscription (MQTT 5): gateways of the same group split the messages. A broker without shared subscriptions gets plain ones.",
      ),
    in: z.array(incomingSchema).default([]).describe("What comes in: topics of the other broker."),
    out: z.array(outgoingSchema).default([]).describe("What goes out: topics of Weir's own broker."),
    hops_max: z
      .int()
      .min(1)
      .max(64)
      .default(8)
      .describe("A message that has passed through this many gateways goes no further (MQTT 5)."),
  })
  .superRefine((bridge, context) => {
    const { password_env, password_file, username, url, tls } = bridge;
    const add = (path: string[], message: string) => context.addIssue({ code: "custom", path, message });
    if (password_env !== undefined && password_file !== undefined) add([], "give either password_env or password_file");
    if ((password_env ?? password_file) !== undefined && username === undefined) {
      add(["username"], "is missing: MQTT takes a password only with a user name");
    }
    if (bridge.in.length + bridge.out.length === 0) add([], "carries nothing: give `in`, `out` or both");
    const isPlain = /^(mqtt|ws):/.test(url);
    if (isPlain && Object.keys(tls).length > 0) add(["tls"], "needs an address with mqtts:// or wss://");
  });

export type BridgeConfig = z.output<typeof bridgeSchema>;

export const bridgesConfigSchema = z
  .array(bridgeSchema)
  .refine((bridges) => new Set(bridges.map(({ name }) => name)).size === bridges.length, {
    error: "two bridges have the same name",
  });

/**
 * Why the other broker would send Weir its own messages back, in words; undefined if it would not. With MQTT 5 the
 * subscription says No Local; in 3.1.1 only the bridge mode of some brokers keeps them from it.
 */
export function echoOf(bridge: Pick<BridgeConfig, "in" | "out">): string | undefined {
  for (const { local, remote = local } of bridge.out) {
    const into = bridge.in.find((each) => overlaps(each.remote, remote));
    if (into !== undefined) {
      return `"${remote}" goes out to topics that come back in by "${into.remote}", and MQTT 3.1.1 cannot keep a broker from sending them back: give them topics of their own, or use MQTT 5`;
    }
  }
  return undefined;
}

/** The client id at the other broker. */
export function clientIdOf({ client_id, name }: Pick<BridgeConfig, "client_id" | "name">): string {
  return client_id ?? `weir-${name}`;
}

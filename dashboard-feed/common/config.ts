import { z } from "zod";
import { CHANNELS } from "../../contracts/feed/channels.ts";
import { durationField, sizeField } from "../../platform/files/schemas.ts";
import { secretEnv, secretFile } from "../../platform/files/secret-values.ts";

const COUNT_MAX = 10_000_000;
const count = (value: number) => z.int().min(1).max(COUNT_MAX).default(value);
const size = (value: string) => sizeField("1B", "1GiB").prefault(value);
const wait = (value: string) => durationField("1ms", "1h").prefault(value);
const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

const SHA256_HEX = /^[0-9a-f]{64}$/i;

const tokenSchema = z
  .strictObject({
    name: z.string().min(1).max(64).describe("Name of the holder, for logs."),
    token_env: secretEnv("the token, of at least 16 characters"),
    token_file: secretFile("the token, of at least 16 characters"),
    sha256: z
      .string()
      .regex(SHA256_HEX, "must be 64 hexadecimal digits, as `printf %s TOKEN | sha256sum` prints them")
      .optional()
      .describe("The SHA-256 of the token in hexadecimal, instead of the token itself."),
    sites: z
      .array(z.string().min(1).max(256))
      .min(1)
      .default(["*"])
      .describe('Patterns of the sites whose data it shows, such as "north-*". Data without a site needs "*".'),
    channels: z
      .array(z.enum(CHANNELS))
      .default([...CHANNELS])
      .describe("Which kinds of data it shows. All by default."),
    admin: z
      .boolean()
      .default(false)
      .describe(
        "Shows all channels of all sites and the metrics, and allows acknowledging, silencing, and retrying dead letters.",
      ),
  })
  .refine(
    ({ token_env, token_file, sha256 }) => [token_env, token_file, sha256].filter((place) => place).length === 1,
    { error: "give exactly one of token_env, token_file and sha256" },
  );
export type TokenConfig = z.infer<typeof tokenSchema>;

const limitsSchema = z.strictObject({
  clients_max: count(2_000).describe("WebSocket connections at the same time. More are refused with 503."),
  subscriptions_max: count(64).describe("Subscriptions of one connection."),
  unauthenticated_max: count(100).describe(
    "Connections that have not sent their token yet. More are refused with 503.",
  ),
  auth_wait_max: wait("5s").describe("A client that has not sent its token within this time is closed with 4401."),
  subscribes_per_second_max: count(50).describe(
    "Frames that a client may send on average. A burst may have twice `subscriptions_max`, and 2 more.",
  ),
  frame_size_max: size("64KiB").describe("The largest frame that a client may send."),
  buffered_size_coalesce: size("256KiB").describe(
    "A client with more than this unsent gets no updates until it has caught up, and then only the newest.",
  ),
  buffered_size_max: size("4MiB").describe("A client with more than this unsent gets no alerts either."),
  alerts_wait_max: wait("5s").describe(
    "A client is closed with 4008 if alerts wait for it and it reads hardly anything for this long.",
  ),
  resume_entries_max: count(10_000).describe(
    "Alert changes read back from the log for a client that reconnects. If it missed more, it gets a gap.",
  ),
});

const historySchema = z.strictObject({
  windows_per_series_max: count(240).describe("The newest windows kept for each rule and group."),
  windows_max: count(100_000).describe("Windows kept in total."),
  incidents_max: count(2_000).describe(
    "Ended incidents kept with their changes. Those that ended longest ago are evicted first.",
  ),
  open_incidents_max: count(100_000).describe(
    "Open incidents kept with their changes, about 5 KB each. Beyond it the oldest are not shown, and are counted " +
      "in `weir_feed_overflow_total`.",
  ),
  alert_changes_max: count(10_000).describe("Alert changes kept in order, for clients that reconnect."),
  devices_max: count(50_000).describe(
    "Devices kept, until they are silent for 30 days. When there are as many, a new one takes the place of the one " +
      "that is silent longest, if that is at least an hour. Otherwise it is counted, but not shown.",
  ),
  series_max: count(200_000).describe("Series kept. The same holds for them."),
  instances_max: count(100).describe("Processes and threads whose figures are kept."),
  lookback_entries_max: count(50_000).describe("Entries of each stream that the feed reads back when it starts."),
});

export const feedConfigSchema = z
  .strictObject({
    bind: z.string().min(1).default("127.0.0.1").describe("Address to listen on."),
    port: z.int().min(0).max(65_535).default(8080).describe("Port of page, feed and API. 0: any free port."),
    page_dir: z
      .string()
      .exactOptional()
      .describe("Folder of the built page. Without it, only the feed and the API are served."),
    tokens: z
      .array(tokenSchema)
      .min(1)
      .exactOptional()
      .describe("Bearer tokens. A client must send one of them. Without tokens, everyone who can connect may read."),
    allowed_origins: z
      .array(z.string())
      .default([])
      .describe('Origins of other pages that may connect, such as "https://ops.example.com"; "*" for all.'),
    insecure: z.boolean().default(false).describe("Allow other machines to connect without tokens."),
    instance: z
      .string()
      .default("feed")
      .describe("Name under which this process reports its figures; its own reports are not counted twice."),
    limits: limitsSchema
      .prefault({})
      .describe("Limits for clients. Anything beyond a limit is refused or closed, and counted."),
    history: historySchema.prefault({}).describe("How much the feed keeps in memory for pages that connect."),
  })
  .check((context) => {
    const { bind, tokens, insecure } = context.value;
    if (isLoopback(bind) || tokens !== undefined || insecure) return;
    context.issues.push({
      code: "custom",
      input: bind,
      path: ["bind"],
      message: `listening on ${bind} lets everyone on the network read: set tokens, or set insecure if that is intended`,
    });
  });

export type FeedConfig = z.infer<typeof feedConfigSchema>;

export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host) || /^127\.\d+\.\d+\.\d+$/.test(host);
}

import { z } from "zod";
import { CHANNELS } from "../../contracts/feed/protocol.ts";

const COUNT_MAX = 10_000_000;
const count = (value: number) => z.int().min(1).max(COUNT_MAX).default(value);
const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

const SHA256_HEX = /^[0-9a-f]{64}$/i;

const tokenSchema = z
  .strictObject({
    name: z.string().min(1).max(64).describe("Who holds it; for logs."),
    tokenEnv: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "is no name of an environment variable")
      .exactOptional()
      .describe("The environment variable that holds the secret, of at least 16 characters."),
    sha256: z
      .string()
      .regex(SHA256_HEX, "is no SHA-256 in hexadecimal: 64 digits, as `printf %s TOKEN | sha256sum` prints them")
      .exactOptional()
      .describe("The SHA-256 of the secret in hexadecimal, instead of tokenEnv."),
    sites: z
      .array(z.string().min(1).max(256))
      .min(1)
      .default(["*"])
      .describe('Patterns of the sites whose data it shows, like "north-*". What has no site is shown for "*" only.'),
    channels: z
      .array(z.enum(CHANNELS))
      .default([...CHANNELS])
      .describe("What of the data it shows. All by default."),
    admin: z
      .boolean()
      .default(false)
      .describe(
        "Shows all channels of all sites and the metrics, and gives orders: acknowledges, silences, retries dead letters.",
      ),
  })
  .refine(({ tokenEnv, sha256 }) => (tokenEnv === undefined) !== (sha256 === undefined), {
    error: "give either tokenEnv or sha256",
    path: ["tokenEnv"],
  });
export type TokenConfig = z.infer<typeof tokenSchema>;

const limitsSchema = z.strictObject({
  clientsMax: count(2_000).describe("WebSocket connections at a time. More are refused with 503."),
  subscriptionsMax: count(64).describe("Subscriptions of one connection."),
  unauthenticatedMax: count(100).describe("Of these, so many that have not shown their token yet."),
  authWaitMsMax: count(5_000).describe("A client that has not shown its token by then is closed with 4401."),
  subscribesPerSecond: count(50).describe(
    "Frames that a client may send in the long run; twice its subscriptions at once.",
  ),
  frameBytesMax: count(65_536).describe("The largest frame that a client may send."),
  bufferedBytesCoalesce: count(262_144).describe(
    "A client with more than this unsent gets no updates, and then only the newest.",
  ),
  bufferedBytesMax: count(4_194_304).describe("A client with more than this unsent is sent no alerts either."),
  alertsWaitMsMax: count(5_000).describe(
    "A client that keeps alerts waiting and takes hardly anything for so long is closed with 4008.",
  ),
  resumeEntriesMax: count(10_000).describe(
    "Alert changes read back from the log for one client that reconnects; beyond it, a gap.",
  ),
});

const historySchema = z.strictObject({
  windowsPerSeries: count(240).describe("The newest windows kept of each rule and group."),
  windowsMax: count(100_000).describe("Windows kept in all."),
  incidentsMax: count(2_000).describe("Incidents kept with their changes; those that ended longest ago go first."),
  alertChangesMax: count(10_000).describe("Alert changes kept in a row, for clients that reconnect."),
  devicesMax: count(50_000).describe("Devices kept. Further ones are not shown, and counted."),
  seriesMax: count(200_000).describe("Series kept. Further ones are not shown, and counted."),
  instancesMax: count(100).describe("Processes and threads whose figures are kept."),
  lookbackEntries: count(50_000).describe("At start, so many entries of each stream are read back."),
});

export const feedConfigSchema = z
  .strictObject({
    bind: z.string().min(1).default("127.0.0.1").describe("The address to listen on."),
    port: z.int().min(0).max(65_535).default(8080).describe("The port of page, feed and API; 0 takes any free one."),
    pageDir: z.string().exactOptional().describe("The built page. Without it there is only the feed and the API."),
    tokens: z
      .array(tokenSchema)
      .min(1)
      .exactOptional()
      .describe("Bearer tokens, one of which a client must show. Without any, everyone who can connect may read."),
    allowedOrigins: z
      .array(z.string())
      .default([])
      .describe('Origins of other pages that may connect, like "https://ops.example.com"; "*" for every one.'),
    insecure: z.boolean().default(false).describe("Allow listening beyond this machine without tokens."),
    instance: z
      .string()
      .default("feed")
      .describe("The name under which this process reports its own figures; its reports are not counted twice."),
    limits: limitsSchema.prefault({}),
    history: historySchema.prefault({}),
  })
  .check((context) => {
    const { bind, tokens, insecure } = context.value;
    if (isLoopback(bind) || tokens !== undefined || insecure) return;
    context.issues.push({
      code: "custom",
      input: bind,
      path: ["bind"],
      message: `listening on ${bind} lets everyone on the network read: give tokens, or say that insecure is meant`,
    });
  });

export type FeedConfig = z.infer<typeof feedConfigSchema>;

export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host) || /^127\.\d+\.\d+\.\d+$/.test(host);
}

import { z } from "zod";
import { CHANNEL_KINDS, CHANNELS, type Channel } from "./channels.ts";
import { type ClientFrame, ERROR_CODES, type ErrorCode, type ServerFrame, SUBPROTOCOL } from "./protocol.ts";

const ID_LENGTH_MAX = 64;
const FILTER_PARTS_MAX = 16;
/** The longest name that a device can have. */
const FILTER_TEXT_MAX = 1_024;
const FILTER_LIST_MAX = 64;
const TOKEN_LENGTH_MAX = 4_096;

interface FrameKind<S extends z.ZodType> {
  readonly summary: string;
  /** The name of its schema in `docs/asyncapi.yaml`. */
  readonly schemaName: string;
  readonly schema: S;
  readonly examples: readonly { readonly name?: string; readonly payload: z.input<S> }[];
}

const id = z
  .string()
  .min(1)
  .max(ID_LENGTH_MAX)
  .describe("Chosen by the client; names one subscription of its connection.");
const cursor = z
  .string()
  .describe("A position in one log. Send it back unchanged to resume; it stays valid across connections and restarts.");
const serverTimeUs = z.int().describe("Microseconds since 1970-01-01T00:00:00Z.");
const filterText = z.string().max(FILTER_TEXT_MAX);
const filterNames = CHANNELS.map((channel) => `${channel}: ${CHANNEL_KINDS[channel].filterNames}`).join("; ");

const filter = z
  .record(filterText, z.union([filterText, z.array(filterText).min(1).max(FILTER_LIST_MAX)]))
  .refine((parts) => Object.keys(parts).length <= FILTER_PARTS_MAX, `at most ${FILTER_PARTS_MAX} parts`)
  .meta({
    maxProperties: FILTER_PARTS_MAX,
    description:
      "Every part must match; of a list, one of its patterns. `*` matches any text, including none; `?` one character. " +
      `Names: ${filterNames}. A label that an item does not have counts as the empty text.`,
  });

/** Frames that a client sends. */
export const CLIENT_FRAMES = {
  auth: kind({
    summary: "Send a token: the first frame of a client that sent none in its request.",
    schemaName: "Auth",
    schema: z.strictObject({ type: z.literal("auth"), token: z.string().min(1).max(TOKEN_LENGTH_MAX) }),
    examples: [{ payload: { type: "auth", token: "a-secret-of-some-length" } }],
  }),
  subscribe: kind({
    summary: "Subscribe to a channel.",
    schemaName: "Subscribe",
    schema: z.strictObject({
      type: z.literal("subscribe"),
      id,
      channel: z.enum(CHANNELS),
      filter: filter.exactOptional(),
      cursor: cursor.max(64).exactOptional(),
      maxHz: z
        .number()
        .min(0.1)
        .max(20)
        .exactOptional()
        .describe("Updates a second, at most; default 4. Alerts are sent at once."),
    }),
    examples: [
      { name: "all alerts", payload: { type: "subscribe", id: "1", channel: "alerts" } },
      {
        name: "some windows, twice a second",
        payload: {
          type: "subscribe",
          id: "cold-rooms",
          channel: "windows",
          filter: { site: "north", device: "cold-*", rule: "cold-room-warm" },
          maxHz: 2,
        },
      },
      {
        name: "two devices and all pumps, of one site",
        payload: {
          type: "subscribe",
          id: "2",
          channel: "readings",
          filter: { site: "north", device: ["cold-1", "cold-2", "pump-*"], metric: ["temperature", "flow"] },
        },
      },
      {
        name: "resuming after a lost connection",
        payload: { type: "subscribe", id: "1", channel: "alerts", cursor: "alerts:5fd2c09a.4711.65535" },
      },
    ],
  }),
  unsubscribe: kind({
    summary: "End a subscription.",
    schemaName: "Unsubscribe",
    schema: z.strictObject({ type: z.literal("unsubscribe"), id }),
    examples: [{ payload: { type: "unsubscribe", id: "cold-rooms" } }],
  }),
  ping: kind({
    summary: "Ask for a heartbeat.",
    schemaName: "Ping",
    schema: z.strictObject({ type: z.literal("ping") }),
    examples: [{ payload: { type: "ping" } }],
  }),
};

const items = z.array(z.union(CHANNELS.map((channel) => CHANNEL_KINDS[channel].item)));

const removed = z
  .array(z.object({ device: z.string(), metric: z.string().exactOptional(), tags: z.record(z.string(), z.string()) }))
  .describe(
    "Items that the server no longer has: drop them before the items of this frame are added. They were silent for " +
      "30 days, or the server had no room for another and they were silent for an hour. `metric` names an item of " +
      "the channel `readings`.",
  );

/** Frames that the server sends. It builds them from prepared texts; the schemas describe their form. */
export const SERVER_FRAMES = {
  welcome: kind({
    summary: "The client may subscribe.",
    schemaName: "Welcome",
    schema: z.object({
      type: z.literal("welcome"),
      protocol: z.literal(SUBPROTOCOL),
      serverTimeUs,
      heartbeatMs: z.int().min(1).describe("The longest time that the server is silent."),
    }),
    examples: [
      { payload: { type: "welcome", protocol: SUBPROTOCOL, serverTimeUs: 1763769600000000, heartbeatMs: 15000 } },
    ],
  }),
  heartbeat: kind({
    summary: "A sign that the connection is alive: every `heartbeatMs`, and in answer to a ping.",
    schemaName: "Heartbeat",
    schema: z.object({ type: z.literal("heartbeat"), serverTimeUs }),
    examples: [{ payload: { type: "heartbeat", serverTimeUs: 1763769615000000 } }],
  }),
  snapshot: kind({
    summary: "The present state. Discard everything before it for this subscription.",
    schemaName: "Snapshot",
    schema: z.object({ type: z.literal("snapshot"), id, cursor, items }),
    examples: [
      ...CHANNELS.filter((channel) => CHANNEL_KINDS[channel].delivery === "state").map((channel) => ({
        name: CHANNEL_KINDS[channel].example.name,
        payload: { type: "snapshot" as const, id: channel, ...exampleOf(channel) },
      })),
      {
        name: "nothing yet",
        payload: { type: "snapshot", id: "4", cursor: "windows:5fd2c09a.0.65535", items: [] },
      },
    ],
  }),
  update: kind({
    summary: "What changed since the last snapshot or update.",
    schemaName: "Update",
    schema: z.object({ type: z.literal("update"), id, cursor, items, removed: removed.exactOptional() }),
    examples: [
      ...CHANNELS.map((channel) => ({
        name: CHANNEL_KINDS[channel].example.name,
        payload: { type: "update" as const, id: channel, ...exampleOf(channel) },
      })),
      {
        name: "nothing was missed",
        payload: { type: "update", id: "1", cursor: "alerts:5fd2c09a.4712.65535", items: [] },
      },
      {
        name: "a device was silent for 30 days",
        payload: {
          type: "update",
          id: "devices",
          cursor: "devices:5fd2c09a.81219.65535",
          items: [],
          removed: [{ device: "cold-7", tags: { site: "north" } }],
        },
      },
    ],
  }),
  gap: kind({
    summary: "This subscription lost changes. A snapshot follows if its state must start over.",
    schemaName: "Gap",
    schema: z.object({
      type: z.literal("gap"),
      id,
      cursor,
      missed: z
        .int()
        .min(-1)
        .describe("Lost log entries or, when no snapshot follows, lost items; -1 when the number is unknown."),
    }),
    examples: [
      { payload: { type: "gap", id: "1", cursor: "alerts:5fd2c09a.9000.65535", missed: 4288 } },
      {
        name: "an unknown cursor",
        payload: { type: "gap", id: "1", cursor: "alerts:5fd2c09a.9000.65535", missed: -1 },
      },
    ],
  }),
  error: kind({
    summary: "The server refused a frame. The connection stays open, except after `unauthorized`.",
    schemaName: "Error",
    schema: z.object({
      type: z.literal("error"),
      id: z.string().exactOptional(),
      code: z.enum(Object.keys(ERROR_CODES).filter(isErrorCode)).describe(
        `${Object.entries(ERROR_CODES)
          .map(([code, doc]) => `\`${code}\`: ${doc}`)
          .join("; ")}.`,
      ),
      message: z.string(),
    }),
    examples: [
      {
        payload: {
          type: "error",
          id: "7",
          code: "unknown-channel",
          message: `no channel "alarms"; there are ${CHANNELS.join(", ")}`,
        },
      },
      {
        name: "too fast",
        payload: {
          type: "error",
          id: "7",
          code: "too-many-requests",
          message: "at most 50 frames a second: try again later",
        },
      },
      {
        name: "about no subscription",
        payload: { type: "error", code: "bad-frame", message: "the frame is not JSON" },
      },
    ],
  }),
};

export const clientFrameSchema = z.discriminatedUnion("type", [
  CLIENT_FRAMES.auth.schema,
  CLIENT_FRAMES.subscribe.schema,
  CLIENT_FRAMES.unsubscribe.schema,
  CLIENT_FRAMES.ping.schema,
]) satisfies z.ZodType<ClientFrame>;

export const serverFrameSchema = z.discriminatedUnion("type", [
  SERVER_FRAMES.welcome.schema,
  SERVER_FRAMES.heartbeat.schema,
  SERVER_FRAMES.snapshot.schema,
  SERVER_FRAMES.update.schema,
  SERVER_FRAMES.gap.schema,
  SERVER_FRAMES.error.schema,
]) satisfies z.ZodType<ServerFrame>;

function kind<S extends z.ZodType>(declared: FrameKind<S>): FrameKind<S> {
  return declared;
}

function exampleOf(channel: Channel) {
  const { example } = CHANNEL_KINDS[channel];
  return { cursor: `${channel}:5fd2c09a.${example.cursor}`, items: [...example.items] };
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

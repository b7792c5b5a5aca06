import { z } from "zod";
import {
  alertChangeSchema,
  deviceItemSchema,
  readingItemSchema,
  statsItemSchema,
  windowResultSchema,
} from "../../contracts/feed/items.ts";
import {
  CHANNELS,
  type ClientFrame,
  type ErrorCode,
  type ServerFrame,
  SUBPROTOCOL,
} from "../../contracts/feed/protocol.ts";

const ID_LENGTH_MAX = 64;
const FILTER_PARTS_MAX = 16;
const FILTER_TEXT_MAX = 256;
const FILTER_LIST_MAX = 64;
const TOKEN_LENGTH_MAX = 4_096;

const id = z.string().min(1).max(ID_LENGTH_MAX);
const filterText = z.string().max(FILTER_TEXT_MAX);

const authSchema = z.strictObject({ type: z.literal("auth"), token: z.string().min(1).max(TOKEN_LENGTH_MAX) });

const subscribeSchema = z.strictObject({
  type: z.literal("subscribe"),
  id,
  channel: z.enum(CHANNELS),
  filter: z
    .record(filterText, z.union([filterText, z.array(filterText).min(1).max(FILTER_LIST_MAX)]))
    .refine((filter) => Object.keys(filter).length <= FILTER_PARTS_MAX, `at most ${FILTER_PARTS_MAX} parts`)
    .exactOptional(),
  cursor: z.string().max(64).exactOptional(),
  maxHz: z.number().min(0.1).max(20).exactOptional(),
});

const unsubscribeSchema = z.strictObject({ type: z.literal("unsubscribe"), id });
const pingSchema = z.strictObject({ type: z.literal("ping") });

export const clientFrameSchema = z.discriminatedUnion("type", [
  authSchema,
  subscribeSchema,
  unsubscribeSchema,
  pingSchema,
]) satisfies z.ZodType<ClientFrame>;

const items = z.array(
  z.union([alertChangeSchema, windowResultSchema, deviceItemSchema, readingItemSchema, statsItemSchema]),
);
const errorCodes = [
  "bad-frame",
  "unauthorized",
  "too-many-requests",
  "unknown-channel",
  "too-many-subscriptions",
  "unknown-subscription",
  "forbidden",
] as const satisfies readonly ErrorCode[];

/** What the server sends. It builds its frames from texts that are ready; this is the form that they have. */
export const serverFrameSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("welcome"),
    protocol: z.literal(SUBPROTOCOL),
    serverTimeUs: z.int(),
    heartbeatMs: z.int().min(1),
  }),
  z.strictObject({ type: z.literal("heartbeat"), serverTimeUs: z.int() }),
  z.strictObject({ type: z.literal("snapshot"), id, cursor: z.string(), items }),
  z.strictObject({ type: z.literal("update"), id, cursor: z.string(), items }),
  z.strictObject({ type: z.literal("gap"), id, cursor: z.string(), missed: z.int().min(-1) }),
  z.strictObject({
    type: z.literal("error"),
    id: z.string().exactOptional(),
    code: z.enum(errorCodes),
    message: z.string(),
  }),
]) satisfies z.ZodType<ServerFrame>;

export type ParsedFrame =
  | { readonly ok: true; readonly frame: ClientFrame }
  | { readonly ok: false; readonly id?: string; readonly code: ErrorCode; readonly message: string };

export function parseClientFrame(text: string): ParsedFrame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, code: "bad-frame", message: "the frame is no JSON" };
  }
  const parsed = clientFrameSchema.safeParse(value);
  if (parsed.success) return { ok: true, frame: parsed.data };
  // Enough of the frame to say which subscription it was about.
  const about = z.object({ id: id.optional().catch(undefined), channel: z.unknown().optional() }).safeParse(value);
  const named = about.success && about.data.id !== undefined ? { id: about.data.id } : {};
  const unknownChannel = parsed.error.issues.some(({ path }) => path[0] === "channel");
  if (unknownChannel && about.success && typeof about.data.channel === "string") {
    const channel = JSON.stringify(about.data.channel.slice(0, 40));
    return {
      ok: false,
      ...named,
      code: "unknown-channel",
      message: `no channel ${channel}; there are ${CHANNELS.join(", ")}`,
    };
  }
  const message = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "frame"}: ${message}`).join("; ");
  return { ok: false, ...named, code: "bad-frame", message: message.slice(0, 500) };
}

import { z } from "zod";
import { CHANNELS } from "../../contracts/feed/channels.ts";
import { clientFrameSchema } from "../../contracts/feed/frames.ts";
import type { ClientFrame, ErrorCode } from "../../contracts/feed/protocol.ts";

const MESSAGE_LENGTH_MAX = 500;

export type ParsedFrame =
  | { readonly ok: true; readonly frame: ClientFrame }
  | { readonly ok: false; readonly id?: string; readonly code: ErrorCode; readonly message: string };

/** The readable part of a bad frame: enough for an answer about its subscription. */
const aboutSchema = z.object({
  id: z.string().min(1).max(64).optional().catch(undefined),
  channel: z.unknown().optional(),
});

export function parseClientFrame(text: string): ParsedFrame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, code: "bad-frame", message: "the frame is not JSON" };
  }
  const parsed = clientFrameSchema.safeParse(value);
  if (parsed.success) return { ok: true, frame: parsed.data };
  const { issues } = parsed.error;
  const about = aboutSchema.safeParse(value);
  const named = about.success && about.data.id !== undefined ? { id: about.data.id } : {};
  if (about.success && typeof about.data.channel === "string" && issues.some(({ path }) => path[0] === "channel")) {
    const channel = JSON.stringify(about.data.channel.slice(0, 40));
    const message = `no channel ${channel}; there are ${CHANNELS.join(", ")}`;
    return { ok: false, ...named, code: "unknown-channel", message };
  }
  const message = issues.map(({ path, message }) => `${path.join(".") || "frame"}: ${message}`).join("; ");
  return { ok: false, ...named, code: "bad-frame", message: message.slice(0, MESSAGE_LENGTH_MAX) };
}

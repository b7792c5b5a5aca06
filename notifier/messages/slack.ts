import type { AlertChange } from "../../domain/alert.ts";
import type { Notification } from "../common/notification.ts";
import { type ChatOptions, cut, isFiring } from "./chat-parts.ts";
import { factsOf, headingOf, textsOf } from "./texts.ts";

const SECTIONS_MAX = 40;
const TEXT_MAX = 2_900;
const HEADER_MAX = 150;

/** A notification for a Slack incoming webhook: blocks, and plain text for previews. */
export function slackMessage(notification: Notification, options: ChatOptions): Record<string, unknown> {
  const { changes, repeat } = notification;
  const heading = headingOf(notification, options);
  const sections = changes.slice(0, SECTIONS_MAX).map(({ change }) => {
    const { title, text } = textsOf(change, options, repeat);
    const body = changes.length === 1 ? escaped(text) : `*${escaped(title)}*\n${escaped(text)}`;
    return { type: "section", text: { type: "mrkdwn", text: cut(body || "-", TEXT_MAX) } };
  });
  const facts = changes.length === 1 && changes[0] ? [factsBlock(changes[0].change)] : [];
  const more = changes.length - SECTIONS_MAX;
  return {
    text: escaped(heading),
    attachments: [
      {
        color: colorOf(notification),
        blocks: [
          { type: "header", text: { type: "plain_text", text: cut(heading, HEADER_MAX) } },
          ...sections,
          ...facts,
          ...(more > 0 ? [contextBlock(`and ${more} more`)] : []),
          ...(options.link === undefined ? [] : [contextBlock(`<${options.link}|Open Weir>`)]),
        ],
      },
    ],
  };
}

function factsBlock(change: AlertChange): unknown {
  const facts = factsOf(change).map(([name, value]) => `*${escaped(name)}* ${escaped(value)}`);
  return contextBlock(facts.join("  "));
}

function contextBlock(text: string): unknown {
  return { type: "context", elements: [{ type: "mrkdwn", text: cut(text, TEXT_MAX) }] };
}

/** Escapes Slack's control characters, so that a label cannot ping a channel. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function colorOf(notification: Notification): string {
  if (!isFiring(notification)) return "#2e7d32";
  return notification.changes.some(({ change }) => change.severity === "critical") ? "#c62828" : "#ef6c00";
}

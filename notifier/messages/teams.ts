import type { AlertChange } from "../../domain/alert.ts";
import type { Notification } from "../common/notification.ts";
import { type ChatOptions, isFiring } from "./chat-parts.ts";
import { factsOf, headingOf, textsOf } from "./texts.ts";

const ALERTS_MAX = 25;

/** A notification for a Teams workflow: an Adaptive Card. */
export function teamsMessage(notification: Notification, options: ChatOptions): Record<string, unknown> {
  const { changes, repeat } = notification;
  const alerts = changes.slice(0, ALERTS_MAX).flatMap(({ change }) => {
    const { title, text } = textsOf(change, options, repeat);
    const body = { type: "TextBlock", text, wrap: true };
    return changes.length === 1 ? [body, factSet(change)] : [titleBlock(title), body];
  });
  const more = changes.length - ALERTS_MAX;
  const { link } = options;
  const heading = {
    ...{ type: "TextBlock", text: headingOf(notification, options), size: "large", weight: "bolder", wrap: true },
    color: isFiring(notification) ? "attention" : "good",
  };
  const card = {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    type: "AdaptiveCard",
    version: "1.4",
    body: [heading, ...alerts, ...(more > 0 ? [{ type: "TextBlock", text: `and ${more} more`, isSubtle: true }] : [])],
    ...(link === undefined ? {} : { actions: [{ type: "Action.OpenUrl", title: "Open Weir", url: link }] }),
  };
  return {
    type: "message",
    attachments: [{ contentType: "application/vnd.microsoft.card.adaptive", content: card }],
  };
}

function titleBlock(text: string): unknown {
  return { type: "TextBlock", text, weight: "bolder", wrap: true, separator: true };
}

function factSet(change: AlertChange): unknown {
  return { type: "FactSet", facts: factsOf(change).map(([name, value]) => ({ title: name, value })) };
}

import type { AlertChange } from "../../domain/alert.ts";
import type { Message } from "./target.ts";
import { factsOf, headingOf, type TextTemplates, textsOf } from "./texts.ts";

const SLACK_SECTIONS_MAX = 40;
const SLACK_TEXT_MAX = 2_900;
const SLACK_HEADER_MAX = 150;
const TEAMS_ALERTS_MAX = 25;

export interface ChatOptions extends TextTemplates {
  readonly link: string | undefined;
}

/** A message for a Slack incoming webhook: blocks, and a plain text for notifications. */
export function slackMessage(message: Message, options: ChatOptions): Record<string, unknown> {
  const heading = headingOf(message, options);
  const sections = message.entries.slice(0, SLACK_SECTIONS_MAX).map(({ change }) => {
    const { title, text } = textsOf(change, options, message.repeat);
    const body = message.entries.length === 1 ? slackText(text) : `*${slackText(title)}*\n${slackText(text)}`;
    return { type: "section", text: { type: "mrkdwn", text: cut(body || "-", SLACK_TEXT_MAX) } };
  });
  const facts = message.entries.length === 1 && message.entries[0] ? [slackFacts(message.entries[0].change)] : [];
  return {
    text: slackText(heading),
    attachments: [
      {
        color: colourOf(message),
        blocks: [
          { type: "header", text: { type: "plain_text", text: cut(heading, SLACK_HEADER_MAX) } },
          ...sections,
          ...facts,
          ...moreBlocks(message),
          ...(options.link === undefined ? [] : [slackContext(`<${options.link}|Open Weir>`)]),
        ],
      },
    ],
  };
}

/** A message for a Teams workflow: an Adaptive Card. */
export function teamsMessage(message: Message, options: ChatOptions): Record<string, unknown> {
  const alerts = message.entries.slice(0, TEAMS_ALERTS_MAX).flatMap(({ change }) => {
    const { title, text } = textsOf(change, options, message.repeat);
    return [
      ...(message.entries.length === 1
        ? []
        : [{ type: "TextBlock", text: title, weight: "bolder", wrap: true, separator: true }]),
      { type: "TextBlock", text, wrap: true },
      ...(message.entries.length === 1
        ? [{ type: "FactSet", facts: factsOf(change).map(([name, value]) => ({ title: name, value })) }]
        : []),
    ];
  });
  const more = message.entries.length - TEAMS_ALERTS_MAX;
  const { link } = options;
  const card = {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    type: "AdaptiveCard",
    version: "1.4",
    body: [
      {
        type: "TextBlock",
        text: headingOf(message, options),
        size: "large",
        weight: "bolder",
        wrap: true,
        color: isFiring(message) ? "attention" : "good",
      },
      ...alerts,
      ...(more > 0 ? [{ type: "TextBlock", text: `and ${more} more`, isSubtle: true }] : []),
    ],
    ...(link === undefined ? {} : { actions: [{ type: "Action.OpenUrl", title: "Open Weir", url: link }] }),
  };
  return {
    type: "message",
    attachments: [{ contentType: "application/vnd.microsoft.card.adaptive", content: card }],
  };
}

function slackFacts(change: AlertChange): unknown {
  return slackContext(
    factsOf(change)
      .map(([name, value]) => `*${slackText(name)}* ${slackText(value)}`)
      .join("  "),
  );
}

function moreBlocks({ entries }: Message): unknown[] {
  const more = entries.length - SLACK_SECTIONS_MAX;
  return more > 0 ? [slackContext(`and ${more} more`)] : [];
}

function slackContext(text: string): unknown {
  return { type: "context", elements: [{ type: "mrkdwn", text: cut(text, SLACK_TEXT_MAX) }] };
}

/** What Slack gives a meaning, so that a label cannot ping a channel. */
function slackText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function isFiring({ entries }: Message): boolean {
  return entries.some(({ change }) => change.state === "firing" || change.state === "pending");
}

function colourOf(message: Message): string {
  if (!isFiring(message)) return "#2e7d32";
  return message.entries.some(({ change }) => change.severity === "critical") ? "#c62828" : "#ef6c00";
}

function cut(text: string, charactersMax: number): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1)}…`;
}

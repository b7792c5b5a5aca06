import type { Notification } from "../common/notification.ts";
import type { ChatOptions } from "./chat-parts.ts";
import { CLOUDEVENTS_JSON, cloudEventOf } from "./cloudevents.ts";
import { slackMessage } from "./slack.ts";
import { teamsMessage } from "./teams.ts";

interface WebhookFormat {
  /** The body of the request. */
  readonly doc: string;
  readonly contentType: string;
  readonly body: (notification: Notification, options: ChatOptions) => Readonly<Record<string, unknown>>;
}

const JSON_TYPE = "application/json";

/** The formats that a webhook can post. The schema and the documentation derive from this list. */
export const WEBHOOK_FORMATS = {
  cloudevents: { doc: "the alert's CloudEvent", contentType: CLOUDEVENTS_JSON, body: cloudEventOf },
  slack: { doc: "a message for a Slack incoming webhook", contentType: JSON_TYPE, body: slackMessage },
  teams: { doc: "an Adaptive Card for a Teams workflow", contentType: JSON_TYPE, body: teamsMessage },
} as const satisfies Readonly<Record<string, WebhookFormat>>;

export type WebhookFormatName = keyof typeof WEBHOOK_FORMATS;
export const FORMAT_NAMES = Object.keys(WEBHOOK_FORMATS) as WebhookFormatName[];

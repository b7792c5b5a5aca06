import type { Notification } from "../common/notification.ts";
import type { TextTemplates } from "./texts.ts";

export interface ChatOptions extends TextTemplates {
  /** To Weir's page. */
  readonly link: string | undefined;
}

/** Whether any of the alerts needs attention. */
export function isFiring({ changes }: Notification): boolean {
  return changes.some(({ change }) => change.state === "firing" || change.state === "pending");
}

/** Truncates a text to `charactersMax`, with an ellipsis. */
export function cut(text: string, charactersMax: number): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1)}…`;
}

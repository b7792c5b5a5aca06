import type { AlertChange } from "../../domain/alert.ts";
import type { Notification } from "../common/notification.ts";
import { factsOf, type TextTemplates, textsOf } from "./texts.ts";

export interface MailOptions extends TextTemplates {
  /** To Weir's page. */
  readonly link: string | undefined;
}

export function plainTextMail({ changes, repeat }: Notification, options: MailOptions): string {
  const alerts = changes.map(({ change }) => {
    const { title, text } = textsOf(change, options, repeat);
    const facts = factsOf(change).map(([name, value]) => `  ${name}: ${value}`);
    return [title, text, ...facts].join("\n");
  });
  return `${[...alerts, ...(options.link === undefined ? [] : [options.link])].join("\n\n")}\n`;
}

export function htmlMail({ changes, repeat }: Notification, options: MailOptions): string {
  const alerts = changes.map(({ change }) => {
    const { title, text } = textsOf(change, options, repeat);
    const rows = factsOf(change).map(
      ([name, value]) =>
        `<tr><td style="color:#666;padding-right:1em">${escaped(name)}</td><td>${escaped(value)}</td></tr>`,
    );
    const heading = `<h3 style="margin:0">${escaped(title)}</h3>`;
    const body = `<p>${escaped(text).replaceAll("\n", "<br>")}</p><table>${rows.join("")}</table>`;
    const style = `border-left:4px solid ${colorOf(change)};padding-left:1em;margin:1em 0`;
    return `<div style="${style}">${heading}${body}</div>`;
  });
  const { link } = options;
  const foot = link === undefined ? "" : `<p><a href="${escaped(link)}">Open Weir</a></p>`;
  return `<!doctype html><html><body style="font-family:sans-serif">${alerts.join("")}${foot}</body></html>`;
}

function colorOf({ state, severity }: AlertChange): string {
  if (state === "resolved") return "#2e7d32";
  return severity === "critical" ? "#c62828" : "#ef6c00";
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

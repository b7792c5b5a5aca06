import type { AlertChange } from "../../domain/alert.ts";
import { formatInstantUs } from "../../domain/time.ts";
import { labelOf } from "../routing/matchers.ts";
import { keyText, type Message } from "./target.ts";

const PLACE = /\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}/g;

/** How people read an alert, in every format. */
export interface Texts {
  readonly title: string;
  readonly text: string;
}

export interface TextTemplates {
  readonly title?: string | undefined;
  readonly text?: string | undefined;
}

/** The heading and the text of one alert. Annotations `summary` and `description` are the text by default. */
export function textsOf(change: AlertChange, templates: TextTemplates, repeat: number): Texts {
  const again = repeat > 0 ? `still ${change.state}` : change.state;
  const title =
    templates.title === undefined
      ? `[${again.toUpperCase()}] ${change.rule}${keyText(change) && `: ${keyText(change)}`}`
      : fill(templates.title, change);
  const { summary, description } = change.annotations;
  const said = [summary, description].filter((text) => text).join("\n");
  const text = templates.text === undefined ? said || factsText(change) : fill(templates.text, change);
  return { title: title.replace(/\s+/g, " ").trim(), text };
}

/** A heading for all alerts of a message. */
export function headingOf(message: Message, templates: TextTemplates): string {
  const [first] = message.entries;
  if (first !== undefined && message.entries.length === 1)
    return textsOf(first.change, templates, message.repeat).title;
  const firing = message.entries.filter(({ change }) => change.state === "firing").length;
  const others = message.entries.length - firing;
  const counts = [
    ...(firing > 0 ? [`${firing} ${message.repeat > 0 ? "STILL FIRING" : "FIRING"}`] : []),
    ...(others > 0 ? [`${others} RESOLVED`] : []),
  ].join(", ");
  const labels = Object.values(message.labels).filter((text) => text !== "");
  return `[${counts}]${labels.length > 0 ? ` ${labels.join(" ")}` : ""}`;
}

/** What is known of an alert, for a table. */
export function factsOf(change: AlertChange): (readonly [name: string, value: string])[] {
  return [
    ["rule", change.rule],
    ["severity", change.severity],
    ["value", valueText(change)],
    ["since", formatInstantUs(change.activeAtUs)],
    ...(change.state === "resolved" ? [["until", formatInstantUs(change.atUs)] as const] : []),
    ...Object.entries({ ...change.key, ...change.labels }),
    ["incident", change.incident],
  ];
}

/** A link to the page's alerts; undefined when nobody said where the page is. */
export function linkOf(externalUrl: string | undefined): string | undefined {
  return externalUrl === undefined ? undefined : `${externalUrl.replace(/\/$/, "")}/#/alerts`;
}

function factsText(change: AlertChange): string {
  const { evidence } = change;
  return `${evidence?.aggregate ?? "value"} ${valueText(change)}${evidence?.condition ? ` (${evidence.condition})` : ""}`;
}

/** A value that is no number (JSON has no NaN) is left open. */
function valueText({ value }: AlertChange): string {
  if (typeof value === "string") return value;
  return typeof value === "number" ? String(Number(value.toPrecision(7))) : "-";
}

function fill(template: string, change: AlertChange): string {
  return template.replace(PLACE, (_, name: string) => placeText(name, change));
}

function placeText(name: string, change: AlertChange): string {
  switch (name) {
    case "state":
      return change.state;
    case "value":
      return valueText(change);
    case "at":
      return formatInstantUs(change.atUs);
    case "since":
      return formatInstantUs(change.activeAtUs);
    default:
      return labelOf(change, name) ?? change.annotations[name] ?? "";
  }
}

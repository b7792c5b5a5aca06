import type { AlertChange } from "../../domain/alert.ts";
import { incidentFacts } from "../../domain/incident.ts";
import { formatDurationUs, formatInstantUs } from "../../domain/time.ts";
import { parseTemplate, type Template } from "../../rule-language/template/template.ts";
import type { Notification } from "../common/notification.ts";
import { fillAlert, templateSchema } from "./templates.ts";

/** Settings of targets whose messages people read. */
export const TEXT_SETTINGS = {
  title: templateSchema(1_000)
    .optional()
    .describe("Heading of an alert; `{{ device }}`, `{{ value | fixed 1 }}` and more are filled in."),
  text: templateSchema(10_000).optional().describe("Text of an alert, a template as well."),
};

/** Replacements for the default title and text of an alert. */
export interface TextTemplates {
  readonly title: Template | undefined;
  readonly text: Template | undefined;
}

export function textTemplates(settings: {
  readonly title?: string | undefined;
  readonly text?: string | undefined;
}): TextTemplates {
  const { title, text } = settings;
  return {
    title: title === undefined ? undefined : parseTemplate(title),
    text: text === undefined ? undefined : parseTemplate(text),
  };
}

/** The alert as people read it, in every format. */
export interface AlertTexts {
  readonly title: string;
  readonly text: string;
}

/**
 * The title and text of one alert. By default, the text consists of the annotations `summary` and `description`. An end
 * has the summary of the moment at which the alert fired, and how bad and how long it was.
 */
export function textsOf(change: AlertChange, templates: TextTemplates, repeat: number): AlertTexts {
  const title = templates.title === undefined ? defaultTitle(change, repeat) : fillAlert(templates.title, change);
  const { summary, description } = change.annotations;
  const ended = change.state === "resolved" && change.title !== undefined;
  const lines = ended ? [change.title, endText(change), description] : [summary, description];
  const annotated = lines.filter((text) => text).join("\n");
  const text = templates.text === undefined ? annotated || evidenceText(change) : fillAlert(templates.text, change);
  return { title: title.replace(/\s+/g, " ").trim(), text };
}

function defaultTitle(change: AlertChange, repeat: number): string {
  const { severity, severityBefore } = change;
  const isNew = repeat === 0 && severityBefore !== undefined;
  const state = repeat > 0 ? `still ${change.state}` : isNew ? `now ${severity}, was ${severityBefore}` : change.state;
  const key = Object.values(change.key).join(" ");
  return `[${state.toUpperCase()}] ${change.rule}${key && `: ${key}`}`;
}

/** A heading for all alerts of a notification. */
export function headingOf({ changes, repeat, labels }: Notification, templates: TextTemplates): string {
  const [first] = changes;
  if (first !== undefined && changes.length === 1) return textsOf(first.change, templates, repeat).title;
  const firing = changes.filter(({ change }) => change.state === "firing").length;
  const others = changes.length - firing;
  const counts = [
    ...(firing > 0 ? [`${firing} ${repeat > 0 ? "STILL FIRING" : "FIRING"}`] : []),
    ...(others > 0 ? [`${others} RESOLVED`] : []),
  ].join(", ");
  const shared = Object.values(labels).filter((text) => text !== "");
  return `[${counts}]${shared.length > 0 ? ` ${shared.join(" ")}` : ""}`;
}

/** The facts of an alert, as table rows. */
export function factsOf(change: AlertChange): (readonly [name: string, value: string])[] {
  return [
    ["rule", change.rule],
    [
      "severity",
      change.severityBefore === undefined ? change.severity : `${change.severity} (was ${change.severityBefore})`,
    ],
    ["value", valueText(change)],
    ...(change.worst === undefined || change.worst === change.value
      ? []
      : [["worst", figureText(change.worst)] as const]),
    ["since", formatInstantUs(change.activeAtUs)],
    ...(change.state === "resolved" ? [["until", formatInstantUs(change.atUs)] as const] : []),
    ...Object.entries({ ...change.key, ...change.labels }),
    ["incident", change.incident],
  ];
}

/** A link to the alerts on Weir's page; undefined if its address is not configured. */
export function linkOf(externalUrl: string | undefined): string | undefined {
  return externalUrl === undefined ? undefined : `${externalUrl.replace(/\/$/, "")}/#/alerts`;
}

/** `Worst: 312. Lasted 43m.` */
function endText(change: AlertChange): string {
  const { durationS = 0 } = incidentFacts([change]) ?? {};
  const worst = change.worst === undefined ? "" : `Worst: ${figureText(change.worst)}. `;
  return `${worst}Lasted ${formatDurationUs(Math.round(durationS) * 1e6)}.`;
}

function evidenceText(change: AlertChange): string {
  const { evidence } = change;
  const condition = evidence?.condition ? ` (${evidence.condition})` : "";
  return `${evidence?.aggregate ?? "value"} ${valueText(change)}${condition}`;
}

function valueText({ value }: AlertChange): string {
  return figureText(value);
}

/** JSON has no NaN: a missing value is shown as a dash. */
function figureText(value: unknown): string {
  if (typeof value === "string") return value;
  return typeof value === "number" ? String(Number(value.toPrecision(7))) : "-";
}

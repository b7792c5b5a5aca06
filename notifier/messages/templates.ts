import { z } from "zod";
import type { AlertChange } from "../../domain/alert.ts";
import { textOf } from "../../platform/files/fault.ts";
import {
  fillTemplate,
  parseTemplate,
  type Template,
  type TemplateValue,
} from "../../rule-language/template/template.ts";
import { TEMPLATE_TEXTS } from "../../rule-language/template/template-texts.ts";
import { labelOf } from "../common/matchers.ts";

/**
 * A text with `{{ places }}`, in the template language of rule files (`rule-language/template/`). A text that cannot
 * be parsed is a configuration error.
 */
export function templateSchema(charactersMax: number) {
  return z
    .string()
    .min(1)
    .max(charactersMax)
    .superRefine((text, context) => {
      for (const { fragment, message, help } of templateFaults(text)) {
        context.addIssue({ code: "custom", message: `${message}; ${help}`, params: { fragment } });
      }
    });
}

interface Fault {
  readonly fragment: string;
  readonly message: string;
  readonly help: string;
}

function templateFaults(text: string): Fault[] {
  const { parts, faults } = parseTemplate(text);
  const renamed = parts.flatMap((part): Fault[] => {
    if (typeof part === "string" || part.name !== "since") return [];
    const help = `write ${part.source.replace("since", "active_at")}`;
    return [{ fragment: part.source, message: "`since` is called `active_at`", help }];
  });
  const unread = faults.map(({ source, ...fault }) => {
    const { message, help } = textOf(TEMPLATE_TEXTS, fault);
    return { fragment: source, message: `${source}: ${message}`, help };
  });
  return [...unread, ...renamed];
}

/** Places in single braces, `{rule}`, as used in topics by earlier versions. */
export function singleBraces(text: string): string[] {
  return parseTemplate(text).parts.flatMap((part) =>
    typeof part === "string" ? [...part.matchAll(/(?<!\{)\{([^{}]+)\}(?!\})/g)].map(([, name = ""]) => name) : [],
  );
}

/**
 * Fills an alert into a template. A label that the alert does not have is empty, unless the place has a `default`.
 * `escapePlace` is applied to each filled-in place.
 */
export function fillAlert(
  template: Template,
  change: AlertChange,
  escapePlace = (text: string): string => text,
): string {
  const lookUp = (name: string): TemplateValue | undefined => factOf(name, change);
  return template.parts
    .map((part) => {
      if (typeof part === "string") return part;
      const known = part.name === undefined || lookUp(part.name) !== undefined;
      const hasDefault = part.steps.some(({ helper }) => helper.takes === "missing");
      return escapePlace(known || hasDefault ? fillTemplate({ parts: [part], faults: [] }, lookUp) : "");
    })
    .join("");
}

/**
 * The names available in rule files, any label, and any annotation. Labels override annotations, as in rule files.
 * `title` and `worst` are those of the incident.
 */
function factOf(name: string, change: AlertChange): TemplateValue | undefined {
  if (name === "value") return knownValue(change);
  const label = labelOf(change, name);
  if (label !== undefined) return label;
  switch (name) {
    case "state":
      return change.state;
    case "condition":
      return change.evidence?.condition;
    case "at":
      return { atUs: change.atUs };
    case "active_at":
      return { atUs: change.activeAtUs };
    case "for":
      return (change.atUs - change.activeAtUs) / 1e6;
  }
  if (Object.hasOwn(change.annotations, name)) return change.annotations[name];
  if (name === "title") return change.title;
  return name === "worst" && typeof change.worst === "number" ? change.worst : undefined;
}

/** JSON has no NaN: a missing value is unknown. */
function knownValue({ value }: AlertChange): number | string | undefined {
  return typeof value === "number" || typeof value === "string" ? value : undefined;
}

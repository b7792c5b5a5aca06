import type { AlertState, Severity } from "../../domain/alert.ts";
import type { Tags } from "../../domain/reading.ts";
import { fillTemplate, type Template, type TemplateValue } from "../../rule-language/template/template.ts";

/** What the texts of an alert can tell of it. */
export interface AlertFacts {
  readonly value: number | string;
  readonly labels: Tags;
  /** Other values that were told, by aggregate or series. */
  readonly told: Readonly<Record<string, number | string>> | undefined;
  readonly rule: string;
  readonly severity: Severity;
  readonly state: AlertState;
  readonly atUs: number;
  readonly activeAtUs: number;
  readonly condition: string;
}

/** Fills the places of all texts in; one that is not known stays as it stands. */
export function fillAnnotations(
  annotations: readonly (readonly [string, Template])[],
  facts: AlertFacts,
): Record<string, string> {
  const filled: Record<string, string> = {};
  for (const [name, template] of annotations) filled[name] = fillTemplate(template, (word) => factOf(word, facts));
  return filled;
}

/** Labels come before what has the same name. */
function factOf(word: string, facts: AlertFacts): TemplateValue | undefined {
  const { value, labels, told, atUs, activeAtUs } = facts;
  if (word === "value") return value;
  if (Object.hasOwn(labels, word)) return labels[word];
  if (told !== undefined && Object.hasOwn(told, word)) return told[word];
  switch (word) {
    case "rule":
    case "severity":
    case "state":
    case "condition":
      return facts[word];
    case "at":
      return { atUs };
    case "active_at":
      return { atUs: activeAtUs };
    case "for":
      return (atUs - activeAtUs) / 1e6;
    default:
      return undefined;
  }
}

import type { AlertState, Severity } from "../../domain/alert.ts";
import type { Tags } from "../../domain/reading.ts";
import { fillTemplate, type Template, type TemplateValue } from "../../rule-language/template/template.ts";
import type { AggregateValues } from "../rules/conditions.ts";

/** The facts that the texts of an alert can show. */
export interface AlertFacts {
  readonly value: number | string;
  readonly labels: Tags;
  /** Undefined for an absence, and for an end without a window. */
  readonly values: AggregateValues | undefined;
  readonly rule: string;
  readonly severity: Severity;
  readonly state: AlertState;
  readonly atUs: number;
  readonly activeAtUs: number;
  readonly condition: string;
}

/** Fills the placeholders of all texts. An unknown placeholder stays as it is. */
export function fillAnnotations(
  annotations: readonly (readonly [string, Template])[],
  facts: AlertFacts,
): Record<string, string> {
  const filled: Record<string, string> = {};
  for (const [name, template] of annotations) filled[name] = fillTemplate(template, (word) => factOf(word, facts));
  return filled;
}

/** A label takes precedence over an aggregate, a series or a field of the same name. */
function factOf(word: string, facts: AlertFacts): TemplateValue | undefined {
  const { value, labels, values, atUs, activeAtUs } = facts;
  if (word === "value") return value;
  if (Object.hasOwn(labels, word)) return labels[word];
  if (values !== undefined && Object.hasOwn(values, word)) return values[word];
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

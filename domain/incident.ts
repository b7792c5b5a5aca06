import type { AlertChange } from "./alert.ts";

/** An incident as people see it: from all of its changes, or as many as are known. */
export interface IncidentFacts {
  readonly incident: string;
  readonly rule: string;
  /** The present one; of an incident that ended, the greatest that it had. */
  readonly severity: AlertChange["severity"];
  /** The state after the last change: an open incident is pending or firing. */
  readonly state: AlertChange["state"];
  readonly key: AlertChange["key"];
  readonly labels: AlertChange["labels"];
  /** The text of the moment at which it fired. */
  readonly title: string;
  readonly activeAtUs: number;
  /** Left out for an incident that has not fired. */
  readonly firedAtUs?: number;
  /** Left out while it is open, like the duration. */
  readonly endedAtUs?: number;
  /** How long it fired; how long it was pending, if it never fired. */
  readonly durationS?: number;
  readonly worst?: number;
  /** The aggregate that its condition evaluates; `absent` for a silence. */
  readonly aggregate: string;
  readonly muted?: true;
}

export function isOpen({ state }: Pick<AlertChange, "state">): boolean {
  return state === "pending" || state === "firing";
}

/** The text of a change for people. */
export function summaryOf({ annotations, rule }: Pick<AlertChange, "annotations" | "rule">): string {
  return annotations.summary ?? annotations.description ?? rule;
}

/**
 * The facts of an incident from its changes, oldest first. The last change alone has them all. In logs of older
 * versions the title and the time of firing are those of the change to firing, if it is among the changes.
 */
export function incidentFacts(changes: readonly AlertChange[]): IncidentFacts | undefined {
  const last = changes.at(-1);
  if (last === undefined) return undefined;
  const fired = changes.find(({ state, from }) => state === "firing" && from !== "firing");
  const firedAtUs = last.firedAtUs ?? fired?.atUs;
  const { incident, rule, state, key, labels, activeAtUs, worst, muted } = last;
  const severity = isOpen(last) ? last.severity : (last.worstSeverity ?? last.severity);
  const endedAtUs = isOpen(last) ? undefined : last.atUs;
  return {
    ...{ incident, rule, severity, state, key, labels, activeAtUs, aggregate: last.evidence.aggregate },
    title: last.title ?? summaryOf(fired ?? last),
    ...(firedAtUs !== undefined && { firedAtUs }),
    ...(endedAtUs !== undefined && { endedAtUs, durationS: (endedAtUs - (firedAtUs ?? activeAtUs)) / 1e6 }),
    ...(worst !== undefined && { worst }),
    ...(muted && { muted }),
  };
}

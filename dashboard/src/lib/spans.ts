import type { AlertChange, Severity } from "../../../domain/alert.ts";

/** One incident on the time axis of a chart. */
export interface AlertSpan {
  readonly incident: string;
  readonly rule: string;
  readonly severity: Severity;
  /** When the condition first held. */
  readonly activeUs: number;
  /** Undefined while it is pending. */
  readonly firingUs: number | undefined;
  /** Undefined while it is open. */
  readonly endUs: number | undefined;
}

/** Incidents from their changes, in any order. */
export function alertSpans(changes: Iterable<AlertChange>): readonly AlertSpan[] {
  const byIncident = new Map<string, AlertChange[]>();
  for (const change of changes) {
    const list = byIncident.get(change.incident);
    if (list === undefined) byIncident.set(change.incident, [change]);
    else list.push(change);
  }
  const spans: AlertSpan[] = [];
  for (const [incident, list] of byIncident) {
    list.sort((a, b) => a.atUs - b.atUs || a.processedAtUs - b.processedAtUs);
    const first = list[0];
    const last = list.at(-1);
    if (first === undefined || last === undefined) continue;
    const firing = list.find((change) => change.state === "firing");
    const ended = last.state === "resolved" || last.state === "inactive";
    // A resolved incident has fired, even if the list no longer has that change.
    const firedUs = firing?.atUs ?? (last.state === "resolved" ? last.activeAtUs : undefined);
    spans.push({
      incident,
      rule: first.rule,
      severity: last.severity,
      activeUs: last.activeAtUs,
      firingUs: firedUs,
      endUs: ended ? last.atUs : undefined,
    });
  }
  return spans.sort((a, b) => a.activeUs - b.activeUs);
}

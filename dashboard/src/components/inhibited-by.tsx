import type { JSX } from "preact";
import { parseIncidentId } from "../../../domain/alert-ids.ts";
import { incidentHref } from "../app/route.ts";

/** `inhibited by gateway-silent`: the rules of the incidents that inhibit an alert. */
export function inhibitedWords(incidents: readonly string[]): string {
  const [first = "", ...others] = [...new Set(incidents.map(ruleOf))];
  return `inhibited by ${first}${others.length > 0 ? ` and ${others.length} more` : ""}`;
}

/** Why an alert notifies nobody now, with links to the incidents that inhibit it. */
export function InhibitedBy({ incidents }: { readonly incidents: readonly string[] }): JSX.Element | null {
  if (incidents.length === 0) return null;
  return (
    <p class="handled">
      Inhibited: nobody is notified while{" "}
      {incidents.map((incident, index) => (
        <span key={incident}>
          {index > 0 && ", "}
          {parseIncidentId(incident) ? <a href={incidentHref(incident)}>{ruleOf(incident)}</a> : incident}
        </span>
      ))}{" "}
      fires.
    </p>
  );
}

/** If the token does not show its site, the gateway sends words instead of an incident's id. */
function ruleOf(incident: string): string {
  return parseIncidentId(incident)?.rule ?? incident;
}

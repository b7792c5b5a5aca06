import type { JSX } from "preact";
import { parseIncidentId } from "../../../domain/alert-ids.ts";
import { incidentHref } from "../app/route.ts";

/** `inhibited by gateway-silent`: by the rules of the incidents that hold an alert. */
export function inhibitedWords(incidents: readonly string[]): string {
  const [first = "", ...others] = [...new Set(incidents.map(ruleOf))];
  return `inhibited by ${first}${others.length > 0 ? ` and ${others.length} more` : ""}`;
}

/** Why nobody is told of an alert now, with the way to the incidents that are told in its place. */
export function InhibitedBy({ incidents }: { readonly incidents: readonly string[] }): JSX.Element | null {
  if (incidents.length === 0) return null;
  return (
    <p class="taken">
      Inhibited: nobody is told of it while{" "}
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

/** An incident of a site that may not be seen has words in place of its id. */
function ruleOf(incident: string): string {
  return parseIncidentId(incident)?.rule ?? incident;
}

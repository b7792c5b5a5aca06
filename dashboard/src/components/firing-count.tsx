import type { JSX } from "preact";
import { usePage } from "../app/page.ts";

/** How many alerts fire, in the colour of the worst. */
export function FiringCount(): JSX.Element {
  const { critical, warning, info } = usePage().alerts.firing.value;
  const firing = critical + warning + info;
  const worst = critical > 0 ? "critical" : warning > 0 ? "warning" : "info";
  return (
    <span class="nav-count" data-empty={firing === 0} data-severity={worst}>
      {firing}
    </span>
  );
}

import type { JSX } from "preact";
import type { AlertChange } from "../../../domain/alert.ts";
import { usePage } from "../app/page.ts";
import { plural } from "../lib/format.ts";
import { isOpen, openLists } from "../store/alerts.ts";
import { AlertRow } from "./alert-row.tsx";

const OPEN_SHOWN = 8;
const ACKNOWLEDGED_SHOWN = 4;
const RESOLVED_SHOWN = 4;

/** Open alerts, followed by those that resolved last. */
export function AlertPanel(): JSX.Element {
  const { alerts, attention } = usePage();
  const open = alerts.open.value;
  const { unacknowledged, acknowledged, pending } = openLists(open, attention.isAcknowledged);
  const urgent = [...unacknowledged, ...pending];
  const resolved = latestResolved(alerts.changes.value, open);
  return (
    <section class="panel alerts-panel" aria-labelledby="alerts-title">
      <div class="panel-head">
        <h2 id="alerts-title">Open alerts</h2>
        <span class="count">{open.length}</span>
        <a class="panel-link" href="#/alerts">
          All alerts
        </a>
      </div>
      {open.length === 0 ? (
        <p class="quiet">{alerts.loaded.value ? "No open alerts." : "Loading alerts"}</p>
      ) : (
        <ul class="alert-list">
          {urgent.slice(0, OPEN_SHOWN).map((change) => (
            <li key={change.incident}>
              <AlertRow change={change} />
            </li>
          ))}
        </ul>
      )}
      {urgent.length > OPEN_SHOWN && (
        <a class="more" href="#/alerts">
          {plural(urgent.length - OPEN_SHOWN, "more alert")}
        </a>
      )}
      {acknowledged.length > 0 && (
        <>
          <h3 class="panel-sub">Acknowledged</h3>
          <ul class="alert-list">
            {acknowledged.slice(0, ACKNOWLEDGED_SHOWN).map((change) => (
              <li key={change.incident}>
                <AlertRow change={change} />
              </li>
            ))}
          </ul>
        </>
      )}
      {resolved.length > 0 && (
        <>
          <h3 class="panel-sub">Recently resolved</h3>
          <ul class="alert-list">
            {resolved.map((change) => (
              <li key={change.incident}>
                <AlertRow change={change} />
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

/** One row for each incident, except incidents that are open again. */
function latestResolved(changes: readonly AlertChange[], open: readonly AlertChange[]): readonly AlertChange[] {
  const seen = new Set(open.map((change) => change.incident));
  const resolved: AlertChange[] = [];
  for (const change of changes) {
    if (resolved.length >= RESOLVED_SHOWN) break;
    if (seen.has(change.incident)) continue;
    seen.add(change.incident);
    if (!isOpen(change) && change.state === "resolved") resolved.push(change);
  }
  return resolved;
}

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { AlertChange } from "../../../domain/alert.ts";
import { usePage } from "../app/page.ts";
import { deviceHref } from "../app/route.ts";
import { AlertRow, evidenceWords, summaryOf } from "../components/alert-row.tsx";
import { SeverityIcon } from "../components/icons.tsx";
import { formatInstant, plural } from "../lib/format.ts";
import { deviceOf, subjectOf } from "../store/alerts.ts";

const CHANGES_PER_PAGE = 50;

export function AlertsScreen(): JSX.Element {
  const { alerts } = usePage();
  const open = alerts.open.value;
  const firing = open.filter((change) => change.state === "firing");
  const pending = open.filter((change) => change.state === "pending");
  return (
    <div class="alerts-screen">
      <h1>Alerts</h1>
      <OpenSection title="Firing" changes={firing} none="Nothing is firing." />
      <OpenSection title="Pending" changes={pending} none="Nothing is pending." />
      <Changes />
    </div>
  );
}

function OpenSection(props: {
  readonly title: string;
  readonly changes: readonly AlertChange[];
  readonly none: string;
}): JSX.Element {
  const { title, changes, none } = props;
  return (
    <section class="panel" aria-label={title}>
      <div class="panel-head">
        <h2>{title}</h2>
        <span class="count">{changes.length}</span>
      </div>
      {changes.length === 0 ? (
        <p class="quiet">{none}</p>
      ) : (
        <ul class="alert-list alert-columns">
          {changes.map((change) => (
            <li key={change.incident}>
              <AlertRow change={change} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Changes(): JSX.Element {
  const { alerts, settings } = usePage();
  const shown = useSignal(CHANGES_PER_PAGE);
  const changes = alerts.changes.value;
  const zone = settings.zone.value;
  return (
    <section class="panel" aria-labelledby="changes-title">
      <div class="panel-head">
        <h2 id="changes-title">Recent changes</h2>
        <span class="count">{changes.length}</span>
      </div>
      {changes.length === 0 ? (
        <p class="quiet">No alert has changed yet. Rules and the windows they watch decide when one does.</p>
      ) : (
        <div class="table-scroll">
          <table class="changes">
            <thead>
              <tr>
                <th scope="col">Event time</th>
                <th scope="col">Change</th>
                <th scope="col">What</th>
                <th scope="col">About</th>
                <th scope="col">Evidence</th>
              </tr>
            </thead>
            <tbody>
              {changes.slice(0, shown.value).map((change) => (
                <ChangeRow key={change.id} change={change} when={formatInstant(change.atUs, zone)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {changes.length > shown.value && (
        <button type="button" class="more" onClick={() => (shown.value += CHANGES_PER_PAGE)}>
          Show {plural(Math.min(CHANGES_PER_PAGE, changes.length - shown.value), "more change")}
        </button>
      )}
    </section>
  );
}

function ChangeRow({ change, when }: { readonly change: AlertChange; readonly when: string }): JSX.Element {
  const device = deviceOf(change);
  return (
    <tr data-severity={change.severity} data-state={change.state}>
      <td class="cell-when">{when}</td>
      <td class="cell-state">
        <SeverityIcon severity={change.severity} state={change.state} />
        <span>
          {change.state === "inactive" ? "no longer pending" : change.state}
          <span class="cell-severity"> {change.severity}</span>
        </span>
      </td>
      <td class="cell-summary">
        {summaryOf(change)}
        <span class="cell-rule">{change.rule}</span>
      </td>
      <td>{device === undefined ? subjectOf(change) : <a href={deviceHref(device)}>{device}</a>}</td>
      <td class="cell-evidence">{evidenceWords(change)}</td>
    </tr>
  );
}

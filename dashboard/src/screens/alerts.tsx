import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { AlertChange, Severity } from "../../../domain/alert.ts";
import { SEVERITIES } from "../../../domain/alert.ts";
import { usePage } from "../app/page.ts";
import { incidentHref } from "../app/route.ts";
import { AlertRow, evidenceWords, summaryOf } from "../components/alert-row.tsx";
import { SeverityIcon } from "../components/icons.tsx";
import { SearchField } from "../components/search-field.tsx";
import { SilenceList } from "../components/silences.tsx";
import { formatAge, formatInstant, plural } from "../lib/format.ts";
import { textSearch } from "../lib/search.ts";
import { subjectOf } from "../store/alerts.ts";

const PAST_PER_PAGE = 50;
const PAST_MAX = 1_000;
const YEAR_US = 365 * 86_400_000_000;
const DAY_US = 86_400_000_000;

export function AlertsScreen(): JSX.Element {
  const { alerts, kiosk } = usePage();
  const find = useSignal("");
  const severity = useSignal<Severity | undefined>(undefined);
  const isFound = textSearch(find.value);
  const fits = (change: AlertChange) =>
    (severity.value === undefined || change.severity === severity.value) && isFound(() => textOf(change));
  const open = alerts.open.value.filter(fits);
  return (
    <div class="alerts-screen">
      <div class="screen-head">
        <h1>Alerts</h1>
        {!kiosk && (
          <>
            <SearchField label="Find alerts" value={find.value} onInput={(text) => (find.value = text)} />
            <label class="field">
              <span class="field-label">Severity</span>
              <select
                value={severity.value ?? ""}
                onChange={({ currentTarget: { value } }) => {
                  severity.value = SEVERITIES.find((one) => one === value);
                }}
              >
                <option value="">All</option>
                {SEVERITIES.toReversed().map((one) => (
                  <option key={one} value={one}>
                    {one}
                  </option>
                ))}
              </select>
            </label>
          </>
        )}
      </div>
      <OpenSection
        title="Firing"
        changes={open.filter(({ state }) => state === "firing")}
        none={alerts.loaded.value ? "No alert is firing." : "Loading alerts"}
      />
      <OpenSection
        title="Pending"
        changes={open.filter(({ state }) => state === "pending")}
        none="No alert is pending."
      />
      <SilenceList />
      <Past fits={fits} />
    </div>
  );
}

function textOf(change: AlertChange): string {
  return [change.rule, summaryOf(change), ...Object.values(change.key), ...Object.values(change.labels)].join(" ");
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

/** Past incidents, newest first: those that ended while the page was open, and those in the store. */
function usePast() {
  const { alerts, api, devices } = usePage();
  const stored = useSignal<readonly AlertChange[]>([]);
  const next = useSignal<string | undefined>(undefined);
  const state = useSignal<"loading" | "loaded" | "unavailable">("loading");
  async function load(after: string | undefined): Promise<void> {
    state.value = "loading";
    const newestUs = Math.max(devices.clock.newestUs, Date.now() * 1000);
    const oldestUs = devices.clock.newestUs === -Infinity ? newestUs : devices.clock.newestUs;
    const span = { fromUs: oldestUs - YEAR_US, toUs: newestUs + DAY_US };
    try {
      const page = await api.alerts({ state: "resolved", ...span, limit: PAST_PER_PAGE, after });
      stored.value = after === undefined ? page.alerts : [...stored.value, ...page.alerts].slice(0, PAST_MAX);
      next.value = stored.value.length >= PAST_MAX ? undefined : page.next;
      state.value = "loaded";
    } catch {
      state.value = "unavailable";
    }
  }
  const loaded = devices.loaded.value;
  useEffect(() => {
    if (loaded) void load(undefined);
  }, [loaded]);
  const live = alerts.changes.value;
  const past = useMemo(() => {
    const byIncident = new Map<string, AlertChange>();
    for (const change of [...stored.value, ...live]) {
      if (change.state === "resolved") byIncident.set(change.incident, change);
    }
    return [...byIncident.values()].sort((a, b) => b.atUs - a.atUs);
  }, [live, stored.value]);
  return { past, state: state.value, more: next.value === undefined ? undefined : () => load(next.value) };
}

function Past({ fits }: { readonly fits: (change: AlertChange) => boolean }): JSX.Element {
  const { settings } = usePage();
  const { past, state, more } = usePast();
  const shown = useSignal(PAST_PER_PAGE);
  const zone = settings.zone.value;
  const changes = past.filter(fits);
  return (
    <section class="panel" aria-labelledby="past-title">
      <div class="panel-head">
        <h2 id="past-title">Past incidents</h2>
        <span class="count">{changes.length}</span>
      </div>
      {state === "unavailable" && (
        <p class="quiet">The store does not answer. You see the incidents that ended while this page was open.</p>
      )}
      {changes.length === 0 ? (
        <p class="quiet">{state === "loading" ? "Loading past incidents" : "No past incidents."}</p>
      ) : (
        <div class="table-scroll">
          <table class="changes">
            <thead>
              <tr>
                <th scope="col">Ended</th>
                <th scope="col">Incident</th>
                <th scope="col">Subject</th>
                <th scope="col">Duration</th>
                <th scope="col">Evidence</th>
              </tr>
            </thead>
            <tbody>
              {changes.slice(0, shown.value).map((change) => (
                <PastRow key={change.incident} change={change} when={formatInstant(change.atUs, zone)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {(changes.length > shown.value || more !== undefined) && (
        <button
          type="button"
          class="more"
          onClick={() => {
            shown.value += PAST_PER_PAGE;
            if (changes.length <= shown.value) void more?.();
          }}
        >
          Show {plural(PAST_PER_PAGE, "more incident")}
        </button>
      )}
    </section>
  );
}

function PastRow({ change, when }: { readonly change: AlertChange; readonly when: string }): JSX.Element {
  return (
    <tr data-severity={change.severity} data-state={change.state}>
      <td class="cell-when">{when}</td>
      <td class="cell-state">
        <SeverityIcon severity={change.severity} state={change.state} />
        <a href={incidentHref(change.incident)} data-row>
          {summaryOf(change)}
        </a>
        <span class="cell-rule">
          {change.rule} · {change.severity}
        </span>
      </td>
      <td>{subjectOf(change)}</td>
      <td class="cell-when">{formatAge(change.atUs - change.activeAtUs)}</td>
      <td class="cell-evidence">{evidenceWords(change)}</td>
    </tr>
  );
}

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { IncidentSummary } from "../../../contracts/http/alerts.ts";
import type { AlertChange } from "../../../domain/alert.ts";
import { incidentFacts } from "../../../domain/incident.ts";
import { usePage } from "../app/page.ts";
import { incidentHref } from "../app/route.ts";
import { formatAge, formatInstant, plural } from "../lib/format.ts";
import { subjectOf } from "../store/alerts.ts";
import { worstValueWords } from "./alert-row.tsx";
import { SeverityIcon } from "./icons.tsx";

const PER_PAGE = 50;
const YEAR_US = 365 * 86_400_000_000;
const DAY_US = 86_400_000_000;
/** The store has an end a moment after the feed. */
const STORED_AFTER_MS = 2_000;

interface Past {
  readonly incidents: readonly IncidentSummary[];
  readonly state: "loading" | "loaded" | "unavailable";
  /** The gateway has only the newest, because the store has no history or does not answer. */
  readonly isPartial: boolean;
  /** Undefined: there are no older ones. */
  readonly more: (() => Promise<void>) | undefined;
}

/** Past incidents, newest first: those in the store, and those that ended while the page was open. */
function usePast(): Past {
  const { alerts, api, devices } = usePage();
  const stored = useSignal<ReadonlyMap<string, IncidentSummary>>(new Map());
  const next = useSignal<string | undefined>(undefined);
  const state = useSignal<Past["state"]>("loading");
  const isPartial = useSignal(false);

  async function load(after: string | undefined): Promise<void> {
    const newestUs = Math.max(devices.clock.newestUs, Date.now() * 1000);
    const oldestUs = Math.min(newestUs, ...devices.clock.presents);
    const span = { fromUs: oldestUs - YEAR_US, toUs: newestUs + DAY_US };
    try {
      const page = await api.pastIncidents({ ...span, limit: PER_PAGE, after });
      // The first page is loaded again when incidents end; later pages stay.
      if (after !== undefined || stored.value.size === 0) next.value = page.next;
      stored.value = new Map([...stored.value, ...page.incidents.map((one) => [one.incident, one] as const)]);
      isPartial.value = page.source === "memory";
      state.value = "loaded";
    } catch {
      if (state.value !== "loaded") state.value = "unavailable";
    }
  }

  const loaded = devices.loaded.value;
  const live = alerts.changes.value;
  const ended = live.filter(({ state: each }) => each === "resolved").length;
  useEffect(() => {
    if (!loaded) return;
    const timer = setTimeout(() => void load(undefined), state.peek() === "loading" ? 0 : STORED_AFTER_MS);
    return () => clearTimeout(timer);
  }, [loaded, ended]);
  const incidents = useMemo(() => {
    const all = new Map([...endedOf(live), ...stored.value]);
    return [...all.values()].sort((a, b) => (b.endedAtUs ?? 0) - (a.endedAtUs ?? 0));
  }, [live, stored.value]);
  const more = next.value === undefined ? undefined : () => load(next.value);
  return { incidents, state: state.value, isPartial: isPartial.value, more };
}

/** What the feed says about incidents that ended: not who acknowledged them. */
function endedOf(changes: readonly AlertChange[]): (readonly [string, IncidentSummary])[] {
  return changes.flatMap((change) => {
    const facts = change.state === "resolved" ? incidentFacts([change]) : undefined;
    return facts === undefined ? [] : [[facts.incident, { ...facts, deliveries: [] }] as const];
  });
}

export function PastIncidents({ fits }: { readonly fits: (incident: IncidentSummary) => boolean }): JSX.Element {
  const { settings } = usePage();
  const { incidents, state, isPartial, more } = usePast();
  const shown = useSignal(PER_PAGE);
  const zone = settings.zone.value;
  const found = incidents.filter(fits);
  return (
    <section class="panel" aria-labelledby="past-title">
      <div class="panel-head">
        <h2 id="past-title">Past incidents</h2>
        <span class="count">{found.length}</span>
      </div>
      {state === "unavailable" && (
        <p class="quiet">The gateway does not answer. You see the incidents that ended while this page was open.</p>
      )}
      {isPartial && <p class="quiet">The store has no answer. You see the incidents that the gateway remembers.</p>}
      {found.length === 0 ? (
        <p class="quiet">{state === "loading" ? "Loading past incidents" : "No past incidents."}</p>
      ) : (
        <div class="table-scroll">
          <table class="changes">
            <thead>
              <tr>
                <th scope="col">Ended</th>
                <th scope="col">Incident</th>
                <th scope="col">Subject</th>
                <th scope="col">Lasted</th>
                <th scope="col">Worst</th>
                <th scope="col">Acknowledged</th>
              </tr>
            </thead>
            <tbody>
              {found.slice(0, shown.value).map((incident) => (
                <PastRow
                  key={incident.incident}
                  incident={incident}
                  when={formatInstant(incident.endedAtUs ?? 0, zone)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {(found.length > shown.value || more !== undefined) && (
        <button
          type="button"
          class="more"
          onClick={() => {
            shown.value += PER_PAGE;
            if (found.length <= shown.value) void more?.();
          }}
        >
          Show {plural(PER_PAGE, "more incident")}
        </button>
      )}
    </section>
  );
}

function PastRow(props: { readonly incident: IncidentSummary; readonly when: string }): JSX.Element {
  const { incident, when } = props;
  const { devices } = usePage();
  const { severity, state, title, rule, durationS = 0, acknowledgement } = incident;
  return (
    <tr data-severity={severity} data-state={state} data-incident={incident.incident}>
      <td class="cell-when">{when}</td>
      <td class="cell-state">
        <SeverityIcon severity={severity} state={state} />
        <a href={incidentHref(incident.incident)} data-row>
          {title}
        </a>
        <span class="cell-rule">
          {rule} · {severity}
        </span>
      </td>
      <td>{subjectOf(incident, devices)}</td>
      <td class="cell-when" data-label="lasted">
        {formatAge(durationS * 1e6)}
      </td>
      <td class="cell-evidence" data-label="worst">
        {worstValueWords(incident)}
      </td>
      <td class="cell-acknowledged" data-label="acknowledged by">
        {acknowledgement !== undefined && (
          <>
            {acknowledgement.by}
            {acknowledgement.note !== "" && <span class="cell-note">{acknowledgement.note}</span>}
          </>
        )}
      </td>
    </tr>
  );
}

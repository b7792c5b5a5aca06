import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { AlertChange, Severity } from "../../../domain/alert.ts";
import { SEVERITIES } from "../../../domain/alert.ts";
import { usePage } from "../app/page.ts";
import { AlertRow, summaryOf } from "../components/alert-row.tsx";
import { PastIncidents } from "../components/past-incidents.tsx";
import { SearchField } from "../components/search-field.tsx";
import { SilenceList } from "../components/silences.tsx";
import { plural } from "../lib/format.ts";
import { textSearch } from "../lib/search.ts";
import { openLists } from "../store/alerts.ts";

/** Rows of an open list at first, and with each click on "more". */
const ROWS_PER_PAGE = 100;

/** `show`: the list to scroll to, such as `acknowledged`. */
export function AlertsScreen({ show }: { readonly show: string | undefined }): JSX.Element {
  const screen = useRef<HTMLDivElement>(null);
  const { alerts, attention, kiosk } = usePage();
  const find = useSignal("");
  const severity = useSignal<Severity | undefined>(undefined);
  const isFound = textSearch(find.value);
  const fits = (about: Searched) =>
    (severity.value === undefined || about.severity === severity.value) && isFound(() => textOf(about));
  const open = alerts.open.value.filter((change) => fits({ ...change, title: summaryOf(change) }));
  const { unacknowledged, acknowledged, pending } = openLists(open, attention.isAcknowledged);
  const isLoaded = alerts.loaded.value && attention.state.value !== "unknown";
  useEffect(() => {
    if (show === undefined || !isLoaded) return;
    const lists = [...(screen.current?.querySelectorAll("section") ?? [])];
    lists.find((list) => list.getAttribute("aria-label")?.toLowerCase() === show)?.scrollIntoView();
  }, [show, isLoaded]);
  return (
    <div class="alerts-screen" ref={screen}>
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
        changes={unacknowledged}
        none={firingWords(alerts.loaded.value, acknowledged.length)}
      />
      {acknowledged.length > 0 && <OpenSection title="Acknowledged" changes={acknowledged} none="" />}
      <OpenSection title="Pending" changes={pending} none="No alert is pending." />
      <SilenceList />
      <PastIncidents fits={fits} />
    </div>
  );
}

interface Searched extends Pick<AlertChange, "rule" | "severity" | "key" | "labels"> {
  readonly title: string;
}

function textOf({ rule, title, key, labels }: Searched): string {
  return [rule, title, ...Object.values(key), ...Object.values(labels)].join(" ");
}

function firingWords(isLoaded: boolean, acknowledged: number): string {
  if (!isLoaded) return "Loading alerts";
  return acknowledged === 0 ? "No alert is firing." : "All firing alerts are acknowledged.";
}

function OpenSection(props: {
  readonly title: string;
  readonly changes: readonly AlertChange[];
  readonly none: string;
}): JSX.Element {
  const { title, changes, none } = props;
  const shown = useSignal(ROWS_PER_PAGE);
  const rest = changes.length - shown.value;
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
          {changes.slice(0, shown.value).map((change) => (
            <li key={change.incident}>
              <AlertRow change={change} />
            </li>
          ))}
        </ul>
      )}
      {rest > 0 && (
        <button type="button" class="more" onClick={() => (shown.value += ROWS_PER_PAGE)}>
          Show {plural(Math.min(rest, ROWS_PER_PAGE), "more alert")} of {changes.length.toLocaleString("en")}
        </button>
      )}
    </section>
  );
}

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Acknowledgement, Delivery } from "../../../contracts/notifications.ts";
import type { AlertChange } from "../../../domain/alert.ts";
import { type IncidentFacts, incidentFacts } from "../../../domain/incident.ts";
import type { Device } from "../../../domain/reading.ts";
import type { KnownIncident } from "../app/api.ts";
import { usePage } from "../app/page.ts";
import { deviceHref, devicesHref, ruleHref, spanHref } from "../app/route.ts";
import { worstWords } from "../components/alert-row.tsx";
import { Explanation } from "../components/explanation.tsx";
import { SeverityIcon } from "../components/icons.tsx";
import { IncidentOrders } from "../components/incident-orders.tsx";
import { inhibitedWords } from "../components/inhibited-by.tsx";
import { formatAge, formatInstant, plural, type Zone, zoneName } from "../lib/format.ts";
import { type Span, spanAround } from "../lib/ranges.ts";
import { deviceOf, deviceTagsOf, isOpen } from "../store/alerts.ts";
import { presentOf } from "../store/present.ts";

const HOUR_US = 3_600_000_000;

/** One incident: what happened, why, who was notified, and what a person can do. */
export function IncidentScreen({ incident }: { readonly incident: string }): JSX.Element {
  const { changes, acknowledgement, state } = useIncident(incident);
  const last = changes.at(-1);
  const facts = incidentFacts(changes);
  return (
    <div class="incident-screen">
      {last === undefined || facts === undefined ? (
        <div class="empty">
          <h1>{state === "loading" ? "Loading the incident" : "Incident not found"}</h1>
          {state !== "loading" && (
            <p>
              It is too old, or the link is incomplete. <a href="#/alerts">See all alerts</a>
            </p>
          )}
        </div>
      ) : (
        <Incident changes={changes} last={last} facts={facts} acknowledgement={acknowledgement} />
      )}
    </div>
  );
}

function Incident(props: {
  readonly changes: readonly AlertChange[];
  readonly last: AlertChange;
  readonly facts: IncidentFacts;
  readonly acknowledgement: Acknowledgement | undefined;
}): JSX.Element {
  const { changes, last, facts, acknowledgement } = props;
  const { settings, kiosk, nowUs, devices } = usePage();
  const zone = settings.zone.value;
  const device = deviceOf(last);
  const endUs = isOpen(last) ? presentOf(last, { devices, nowUs: nowUs.value }) : last.atUs;
  return (
    <>
      <div class="incident-head" data-severity={last.severity} data-state={last.state}>
        <SeverityIcon severity={last.severity} state={last.state} />
        <div>
          <h1>{facts.title}</h1>
          <p class="device-tags">
            <span class="incident-state">
              {last.severity}, {last.state === "inactive" ? "ended before it fired" : last.state}
            </span>
            <span>{timesOf(facts, zone)}</span>
            <span class="incident-lasted">
              {isOpen(last) ? "open for" : "lasted"}{" "}
              {formatAge(facts.durationS === undefined ? endUs - last.activeAtUs : facts.durationS * 1e6)}
            </span>
            {worstWords(facts) !== "" && <span class="incident-worst">{worstWords(facts)}</span>}
          </p>
          <p class="device-tags">
            <span>
              rule <a href={ruleHref(last.rule)}>{last.rule}</a>
            </span>
            {Object.entries({ ...last.labels, ...last.key }).map(([name, value]) => (
              <span key={name} class="tag">
                <span class="tag-name">{name}</span> {value}
              </span>
            ))}
          </p>
          {device !== undefined && (
            <ChartLinks device={{ device, tags: deviceTagsOf(last) }} span={around(last, endUs)} />
          )}
          {Object.entries(last.annotations)
            .filter(([name]) => name !== "summary")
            .map(([name, text]) => (
              <p key={name} class="annotation">
                <span class="tag-name">{name}</span> {text}
              </p>
            ))}
        </div>
      </div>
      <div class="columns incident-columns">
        <div>
          <Explanation changes={changes} last={last} />
        </div>
        <div class="side">
          {!kiosk && <IncidentOrders change={last} acknowledgement={acknowledgement} />}
          <Deliveries incident={last.incident} changes={changes.length} />
        </div>
      </div>
    </>
  );
}

/** When it fired, and when it ended. */
function timesOf({ activeAtUs, firedAtUs, endedAtUs }: IncidentFacts, zone: Zone): string {
  const sinceUs = firedAtUs ?? activeAtUs;
  const since = `${firedAtUs === undefined ? "since" : "fired"} ${formatInstant(sinceUs, zone)}`;
  const until = endedAtUs === undefined ? "" : `, ended ${formatInstant(endedAtUs, zone)}`;
  return `${since}${until}, ${zoneName(zone, sinceUs)}`;
}

/** To the charts of the device; to a list, when the alert is about several devices of one name. */
function ChartLinks({ device, span }: { readonly device: Device; readonly span: Span }): JSX.Element {
  const { devices } = usePage();
  devices.list.value;
  const count = devices.having(device).length;
  if (count > 1) {
    return (
      <p>
        <a href={devicesHref(device)}>
          The {plural(count, "device")} named {device.device}
        </a>
      </p>
    );
  }
  return (
    <p>
      <a href={spanHref(device, span)}>Charts of {device.device} at that time</a>
      {" · "}
      <a href={deviceHref(device)}>Charts of {device.device} now</a>
    </p>
  );
}

function around(change: AlertChange, endUs: number) {
  const lengthUs = Math.max(endUs - change.activeAtUs, HOUR_US);
  return spanAround((change.activeAtUs + endUs) / 2, lengthUs * 2);
}

/** The incident's changes, oldest first, from the feed and from the gateway; and who acknowledged it. */
function useIncident(incident: string) {
  const { alerts, api, attention, status } = usePage();
  const asked = useSignal<KnownIncident | undefined>(undefined);
  const state = useSignal<"loading" | "loaded">("loading");
  const connection = status.value.state;
  const byId = new Map<string, AlertChange>();
  for (const change of [...(asked.value?.changes ?? []), ...alerts.changes.value]) {
    if (change.incident === incident) byId.set(change.id, change);
  }
  const changes = [...byId.values()].sort((a, b) => a.atUs - b.atUs || a.processedAtUs - b.processedAtUs);
  const known = attention.byIncident.value.get(incident)?.acknowledgement;
  useEffect(() => {
    let current = true;
    api.incident(incident).then(
      (answer) => {
        if (!current) return;
        asked.value = answer;
        state.value = "loaded";
      },
      () => {
        if (current) state.value = "loaded";
      },
    );
    return () => {
      current = false;
    };
    // Its end takes the acknowledgement from the list of open alerts; then the gateway has it.
  }, [incident, connection, known?.atUs, changes.at(-1)?.state]);
  return { changes, acknowledgement: known ?? asked.value?.summary.acknowledgement, state: state.value };
}

const OUTCOMES: Readonly<Record<Delivery["outcome"], string>> = {
  waiting: "waiting",
  sending: "sending",
  delivered: "delivered",
  failed: "failed",
  silenced: "silenced",
  inhibited: "inhibited",
  muted: "muted",
  skipped: "skipped, too old",
  collapsed: "ended before it was sent",
};

function Deliveries(props: { readonly incident: string; readonly changes: number }): JSX.Element {
  const { api, settings, attention } = usePage();
  const deliveries = useSignal<readonly Delivery[] | undefined>(undefined);
  const unavailable = useSignal(false);
  const known = attention.byIncident.value.get(props.incident);
  useEffect(() => {
    api.deliveries(props.incident).then(
      (answer) => {
        deliveries.value = answer;
        unavailable.value = false;
      },
      () => {
        unavailable.value = true;
      },
    );
  }, [props.incident, props.changes, known]);
  const zone = settings.zone.value;
  return (
    <section class="panel" aria-labelledby="notifications-title">
      <div class="panel-head">
        <h2 id="notifications-title">Notifications</h2>
      </div>
      {deliveries.value?.length === 0 && <p class="quiet">No receiver is set for this alert.</p>}
      {unavailable.value && <p class="quiet">The notifier does not answer.</p>}
      <ul class="deliveries">
        {deliveries.value?.map(({ receiver, change, state, outcome, inhibitedBy, attempts, repeats, error, atUs }) => (
          <li key={`${receiver} ${change}`} data-outcome={outcome}>
            <span class="delivery-who">{receiver}</span>
            <span>
              {state}: {outcome === "inhibited" ? inhibitedWords(inhibitedBy ?? []) : OUTCOMES[outcome]}
              {attempts > 1 && `, ${attempts} attempts`}
              {repeats > 0 && `, repeated ${repeats}×`}
            </span>
            <span class="delivery-when">{formatInstant(atUs, zone)}</span>
            {error !== undefined && <span class="order-problem">{error}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

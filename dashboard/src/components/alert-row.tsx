import type { JSX } from "preact";
import type { AlertChange } from "../../../domain/alert.ts";
import { incidentFacts, summaryOf as textOf } from "../../../domain/incident.ts";
import { type Page, usePage } from "../app/page.ts";
import { incidentHref } from "../app/route.ts";
import { formatAge, formatSince, formatValue } from "../lib/format.ts";
import { isOpen, subjectOf } from "../store/alerts.ts";
import { presentOf } from "../store/present.ts";
import { SeverityIcon } from "./icons.tsx";
import { inhibitedWords } from "./inhibited-by.tsx";

const SEVERITY_WORDS = { info: "Info", warning: "Warning", critical: "Critical" } as const;
const STATE_WORDS = {
  inactive: "no longer pending",
  pending: "pending",
  firing: "firing",
  resolved: "resolved",
} as const;

/** One alert: severity, state, summary, subject, evidence and age. */
export function AlertRow({ change }: { readonly change: AlertChange }): JSX.Element {
  const page = usePage();
  const content = (
    <>
      <SeverityIcon severity={change.severity} state={change.state} />
      <span class="alert-head">
        <span class="alert-severity">{SEVERITY_WORDS[change.severity]}</span>
        <span class="alert-state">{STATE_WORDS[change.state]}</span>
        <AlertAge change={change} page={page} />
      </span>
      <span class="alert-summary" title={summaryOf(change)}>
        {summaryOf(change)}
      </span>
      <span class="alert-detail">
        <span class="alert-subject">{subjectOf(change, page.devices)}</span>
        <Marks incident={change.incident} page={page} />
        <span class="alert-evidence">{evidenceWords(change)}</span>
      </span>
    </>
  );
  const data = { "data-severity": change.severity, "data-state": change.state, "data-rule": change.rule };
  return (
    <a class="alert" href={incidentHref(change.incident)} data-row {...data}>
      {content}
    </a>
  );
}

/** Who acknowledged it, and whether it is silenced or inhibited. */
function Marks({ incident, page }: { readonly incident: string; readonly page: Page }): JSX.Element | null {
  const known = page.attention.byIncident.value.get(incident);
  if (known === undefined) return null;
  return (
    <>
      {known.acknowledgement !== undefined && <span class="mark">acknowledged by {known.acknowledgement.by}</span>}
      {known.silencedBy.length > 0 && <span class="mark">silenced</span>}
      {known.inhibitedBy.length > 0 && <span class="mark">{inhibitedWords(known.inhibitedBy)}</span>}
    </>
  );
}

/** `since 14:00 · 3 h` while the alert is open, then the time of its end. */
function AlertAge({ change, page }: { readonly change: AlertChange; readonly page: Page }): JSX.Element {
  const nowUs = presentOf(change, { devices: page.devices, nowUs: page.nowUs.value });
  const zone = page.settings.zone.value;
  const open = isOpen(change);
  const atUs = open ? change.activeAtUs : change.atUs;
  return (
    <time class="alert-age" dateTime={new Date(atUs / 1000).toISOString()}>
      {open ? `since ${formatSince(atUs, nowUs, zone)} · ${formatAge(nowUs - atUs)}` : formatSince(atUs, nowUs, zone)}
    </time>
  );
}

/** The incident's title: the text of the moment at which it fired. */
export function summaryOf(change: AlertChange): string {
  return change.title ?? textOf(change);
}

/** `avg 187 · alert if > 150`. Of an ended incident, how bad it was and how long it lasted. */
export function evidenceWords(change: AlertChange): string {
  const { aggregate, condition } = change.evidence;
  const value = `${aggregate} ${formatValue(change.value)}`;
  if (isOpen(change)) return `${value} · alert if ${condition}`;
  const { durationS = 0 } = incidentFacts([change]) ?? {};
  const worst = worstWords({ aggregate, worst: change.worst });
  return `${worst === "" ? `ended at ${value}` : worst} · lasted ${formatAge(durationS * 1e6)}`;
}

/** `worst avg 312`; empty when there is no worst value. */
export function worstWords(about: Worst): string {
  const words = worstValueWords(about);
  return words === "" || about.aggregate === "absent" ? words : `worst ${words}`;
}

/** `avg 312`, or `silent for 12 min`. */
export function worstValueWords({ aggregate, worst }: Worst): string {
  if (worst === undefined || Number.isNaN(worst)) return "";
  return aggregate === "absent" ? `silent for ${formatAge(worst * 1e6)}` : `${aggregate} ${formatValue(worst)}`;
}

interface Worst {
  readonly aggregate: string;
  readonly worst?: number | undefined;
}

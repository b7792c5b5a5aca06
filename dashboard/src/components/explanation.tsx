import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { ExplainedChange, IncidentExplanation } from "../../../contracts/explanations.ts";
import type { AlertChange } from "../../../domain/alert.ts";
import { usePage } from "../app/page.ts";
import {
  formatAge,
  formatInstant,
  formatSpan,
  formatTime,
  formatValue,
  NO_VALUE,
  plural,
  type Zone,
} from "../lib/format.ts";
import { describeRule } from "../lib/rules.ts";
import { SeverityIcon } from "./icons.tsx";

const STATE_WORDS = {
  inactive: "No longer pending",
  pending: "Condition first met",
  firing: "Fired",
  resolved: "Resolved",
} as const;

const CLOSED_BY: Readonly<Record<ExplainedChange["closedBy"], string>> = {
  reading: "a newer reading",
  idleness: "time passing without readings",
  silence: "silence",
  gone: "the device, which said that it is gone",
  edit: "a change of the rule",
  unknown: "an entry that is no longer in the log",
};
const READINGS_SHOWN = 100;

/** Why the alert changed: each change with the window behind it, and its entry in the log. */
export function Explanation(props: {
  readonly changes: readonly AlertChange[];
  readonly last: AlertChange;
}): JSX.Element {
  const { changes, last } = props;
  const { rules, settings } = usePage();
  const zone = settings.zone.value;
  const rule = rules.value.find(({ id }) => id === last.rule);
  const words = rule === undefined ? undefined : describeRule(rule);
  return (
    <section class="panel" aria-labelledby="why-title">
      <div class="panel-head">
        <h2 id="why-title">Why</h2>
      </div>
      {words !== undefined && (
        <p class="why-rule">
          The rule alerts {rule?.absent === undefined ? "if " : "when it is "}
          <strong>{words}</strong>.
        </p>
      )}
      <ol class="why">
        {changes.map((change) => (
          <li key={change.id} data-severity={change.severity} data-state={change.state}>
            <SeverityIcon severity={change.severity} state={change.state} />
            <Step change={change} zone={zone} />
          </li>
        ))}
      </ol>
      <LogReadings incident={last.incident} changes={changes.length} />
    </section>
  );
}

/** `Firing`, or what a change of the severity alone changes. */
function headOf({ state, severity, severityBefore }: AlertChange): string {
  return severityBefore === undefined ? STATE_WORDS[state] : `${severity}, was ${severityBefore}`;
}

function Step({ change, zone }: { readonly change: AlertChange; readonly zone: Zone }): JSX.Element {
  const { window, aggregate, value, condition, watermarkUs, input, parts } = change.evidence;
  const lengthUs = window.endUs - window.startUs;
  return (
    <div class="why-step">
      <p class="why-head">
        <strong>{headOf(change)}</strong> {formatInstant(change.atUs, zone)}
      </p>
      <dl class="why-facts">
        <dt>Window</dt>
        <dd>
          {formatSpan(window.startUs, window.endUs, zone)}
          {lengthUs > 0 && ` (${formatAge(lengthUs)})`}
        </dd>
        <dt>Value</dt>
        <dd>
          {parts === undefined ? (
            <>
              {aggregate} = <strong>{formatValue(value)}</strong>
            </>
          ) : (
            parts.map((part) => (
              <div key={part.name}>
                {part.name} = <strong>{formatValue(part.value)}</strong> ({part.aggregate},{" "}
                {formatTime(part.window.startUs, zone)} – {formatTime(part.window.endUs, zone)})
              </div>
            ))
          )}
        </dd>
        <dt>Condition</dt>
        <dd>
          <code>{condition === "" ? NO_VALUE : condition}</code>
        </dd>
        {Number.isFinite(watermarkUs) && (
          <>
            <dt>Watermark</dt>
            <dd>{formatInstant(watermarkUs, zone)}</dd>
          </>
        )}
        <dt>Log</dt>
        <dd>
          {input.stream ?? "READINGS"}, entry {input.sequence}, task {input.partition}, stored{" "}
          {formatInstant(change.processedAtUs, zone)}
        </dd>
      </dl>
    </div>
  );
}

/** The readings behind each change, if a service can read them from the log. */
function LogReadings({
  incident,
  changes,
}: {
  readonly incident: string;
  readonly changes: number;
}): JSX.Element | null {
  const { api, settings } = usePage();
  const explanation = useSignal<IncidentExplanation | undefined>(undefined);
  useEffect(() => {
    let current = true;
    api.explanation(incident).then(
      (answer) => {
        if (current) explanation.value = answer;
      },
      () => {},
    );
    return () => {
      current = false;
    };
  }, [incident, changes]);
  const known = explanation.value;
  if (known === undefined) return null;
  const zone = settings.zone.value;
  return (
    <details class="why-more">
      <summary>Readings from the log</summary>
      {known.notes.map((note) => (
        <p key={note} class="note-warning">
          {note}
        </p>
      ))}
      {known.steps.map((step) => (
        <Readings key={step.id} step={step} zone={zone} />
      ))}
    </details>
  );
}

function Readings({ step, zone }: { readonly step: ExplainedChange; readonly zone: Zone }): JSX.Element {
  const shown = step.readings.slice(0, READINGS_SHOWN);
  return (
    <section class="why-readings">
      <h3>
        {STATE_WORDS[step.state]}: {step.predicate}
      </h3>
      <p class="order-hint">
        The window was closed by {CLOSED_BY[step.closedBy]}
        {step.latenessUs !== null && `, lateness ${formatAge(step.latenessUs)}`}.{" "}
        {step.parts === undefined &&
          step.recomputed !== null &&
          `Computed again from its readings: ${formatValue(step.recomputed)}${step.agrees === false ? ", which differs" : ""}.`}
      </p>
      {step.parts?.map((part) => (
        <p key={part.name} class="order-hint">
          {part.name}: {part.aggregate} of {plural(part.readingsInAll, "reading")} = {formatValue(part.value)}
          {part.recomputed !== null && `, computed again ${formatValue(part.recomputed)}`}
          {part.agrees === false && ", which differs"}
        </p>
      ))}
      {step.notes.map((note) => (
        <p key={note} class="order-hint">
          {note}
        </p>
      ))}
      {shown.length > 0 && (
        <table class="readings-table">
          <thead>
            <tr>
              <th scope="col">Observed</th>
              <th scope="col">Series</th>
              <th scope="col">Value</th>
              <th scope="col">Log entry</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ device, metric, atUs, value, sequence }) => (
              <tr key={`${device} ${metric} ${atUs} ${sequence}`}>
                <td>{formatTime(atUs, zone)}</td>
                <td>
                  {device} {metric}
                </td>
                <td>{formatValue(value)}</td>
                <td>{sequence}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {step.readingsInAll > shown.length && (
        <p class="order-hint">and {plural(step.readingsInAll - shown.length, "more reading")}</p>
      )}
    </section>
  );
}

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { SourceTrial, TrialReport } from "../../../contracts/trials.ts";
import { wordsOf } from "../app/api-error.ts";
import { usePage } from "../app/page.ts";
import { formatInstant, plural } from "../lib/format.ts";
import { Command } from "./command.tsx";

/** What each source makes of a dead letter, why it does not fit, and a source that would. */
export function LetterTrial({ sequence }: { readonly sequence: number }): JSX.Element | null {
  const { api } = usePage();
  const report = useSignal<TrialReport | undefined>(undefined);
  const problem = useSignal("");
  useEffect(() => {
    let left = false;
    report.value = undefined;
    problem.value = "";
    api.letterTrial(sequence).then(
      (answer) => {
        if (!left) report.value = answer;
      },
      (error) => {
        if (!left) problem.value = wordsOf(error);
      },
    );
    return () => {
      left = true;
    };
  }, [sequence]);
  const known = report.value;
  if (known === undefined && problem.value === "") return null;
  return (
    <section class="letter-trial" aria-labelledby="trial-title">
      <h2 id="trial-title">Tried on the sources</h2>
      {problem.value !== "" && <p class="quiet">{problem.value}</p>}
      {known !== undefined && (
        <>
          <ol class="trials">
            {known.trials.map((trial, i) => (
              <Trial key={i} trial={trial} />
            ))}
          </ol>
          <Suggestion report={known} />
        </>
      )}
    </section>
  );
}

function Trial({ trial }: { readonly trial: SourceTrial }): JSX.Element {
  const zone = usePage().settings.zone.value;
  const { source, why, position, readings, count } = trial;
  return (
    <li class="trial" data-outcome={trial.reason === undefined ? trial.outcome : "refused"}>
      <span class="trial-source">
        <code>{source}</code>
      </span>
      <span class="trial-outcome">{outcomeOf(trial)}</span>
      {why !== "" && (
        <span class="trial-why">
          {why}
          {position !== undefined && ` (byte ${position})`}
        </span>
      )}
      {readings.length > 0 && (
        <ul class="trial-readings" aria-label="Readings">
          {readings.map(({ device, tags, metric, value, time, atUs }, i) => (
            <li key={i}>
              <strong>{device}</strong>{" "}
              {Object.entries(tags).map(([name, text]) => (
                <span class="quiet" key={name}>
                  {name}={text}{" "}
                </span>
              ))}
              {metric} = {JSON.stringify(value)}{" "}
              <span class="quiet">
                {atUs !== undefined && formatInstant(atUs, zone)}
                {time === "received" && "when it arrived"}
                {time === "wrong" && "when it arrived, because its time cannot be right"}
              </span>
            </li>
          ))}
          {count > readings.length && <li class="quiet">and {count - readings.length} more</li>}
        </ul>
      )}
    </li>
  );
}

function outcomeOf({ outcome, reason, count }: SourceTrial): string {
  switch (outcome) {
    case "other-topic":
      return "another topic";
    case "condition":
      return "its condition does not hold";
    case "ignored":
      return "takes it, and ignores it";
    case "failed":
      return "cannot be tried";
    case "not-asked":
      return "not asked: an earlier one takes it";
    case "read":
      return reason === undefined ? plural(count, "reading") : `${reason}, ${plural(count, "reading")}`;
  }
}

function Suggestion({ report: { trials, suggestion } }: { readonly report: TrialReport }): JSX.Element | null {
  const isRead = trials.some(({ outcome, why }) => outcome === "ignored" || (outcome === "read" && why === ""));
  if (isRead) return <p class="trial-verdict">The sources in force read it now: a retry helps.</p>;
  if (suggestion === undefined) return <p class="trial-verdict">No source that would read it was found.</p>;
  const { yaml, before } = suggestion;
  return (
    <>
      <p class="trial-verdict">
        This source would read it. Put it into <code>sources</code> of <code>weir.yaml</code>
        {before === undefined ? "" : `, before ${trials[before - 1]?.source ?? "the one that takes it"}`}: it takes
        effect at once.
      </p>
      <Command text={yaml} />
    </>
  );
}

import type { JSX } from "preact";
import { usePage } from "../app/page.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { formatCount, formatRate, NO_VALUE, plural } from "../lib/format.ts";
import type { Figures, RateName } from "../store/stats.ts";

const STATIONS: readonly { readonly name: RateName; readonly label: string; readonly title: string }[] = [
  { name: "messages", label: "Messages in", title: "MQTT messages received per second" },
  { name: "readings", label: "Readings", title: "Readings decoded from them and stored in the log, per second" },
  { name: "windows", label: "Windows", title: "Window results per second" },
  { name: "alerts", label: "Alert changes", title: "Changes of alerts per second" },
  { name: "stored", label: "Stored", title: "Points written to the store per second" },
];

/** The path of a reading, station by station, with the rate at each. */
export function Pipeline(): JSX.Element {
  const { stats } = usePage();
  const figures = stats.figures.value;
  return (
    <section class="pipeline" aria-label="Rates">
      <ol class="stations">
        {STATIONS.map(({ name, label, title }) => (
          <li key={name} class="station" title={title}>
            <span class="figure-label">{label}</span>
            <span class="figure">
              {formatRate(figures?.rates[name])}
              <span class="figure-unit">/s</span>
            </span>
            <Sparkline points={stats.history[name]} newest={stats.history[name].newest} fromZero />
          </li>
        ))}
      </ol>
      <dl class="gauges">
        <DeadLetters figures={figures} />
        <Gauge
          label="Storage lag"
          value={formatCount(figures?.storageLag)}
          hint={lagWords(figures?.storageLag)}
          title="Log entries that wait to be stored"
        />
        <Gauge
          label="MQTT clients"
          value={formatCount(figures?.brokerClients)}
          hint={figures?.feedClients === undefined ? NO_VALUE : plural(figures.feedClients, "page open", "pages open")}
          title="Connected devices, and open dashboards"
        />
      </dl>
    </section>
  );
}

function DeadLetters({ figures }: { readonly figures: Figures | undefined }): JSX.Element {
  const total = figures?.deadLetters;
  const reasons = [...(figures?.deadLettersByReason ?? [])]
    .filter(([, count]) => count > 0)
    .sort((a, b) => b[1] - a[1]);
  const hint = total === undefined ? NO_VALUE : total === 0 ? "none" : (reasons[0]?.[0] ?? "refused");
  return (
    <Gauge
      label="Dead letters"
      value={formatCount(total)}
      hint={reasons.length > 1 ? `${hint} +${reasons.length - 1}` : hint}
      title={
        reasons.map(([reason, count]) => `${reason}: ${count}`).join("\n") || "Messages that could not become readings"
      }
    />
  );
}

function Gauge(props: {
  readonly label: string;
  readonly value: string;
  readonly hint: string;
  readonly title: string;
}): JSX.Element {
  return (
    <div class="gauge" title={props.title}>
      <dt class="figure-label">{props.label}</dt>
      <dd class="figure">{props.value}</dd>
      <dd class="figure-hint">{props.hint}</dd>
    </div>
  );
}

function lagWords(lag: number | undefined): string {
  if (lag === undefined) return NO_VALUE;
  if (lag < 100) return "keeping up";
  return lag < 10_000 ? "a little behind" : "behind";
}

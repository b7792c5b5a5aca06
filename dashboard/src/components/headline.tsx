import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { partsOf } from "../app/api.ts";
import { type Page, usePage } from "../app/page.ts";
import { createRefused } from "../store/refused.ts";
import { isLost } from "./disconnected-bar.tsx";
import { type Fact, headlineOf, type Situation } from "./headline-facts.ts";
import { HeadlineIcon } from "./icons.tsx";

/** The state of everything, readable from across a room. */
export function Headline(): JSX.Element {
  const page = usePage();
  const { alerts, devices, status } = page;
  const refused = useRefused();
  const loaded = devices.loaded.value && alerts.loaded.value;
  const headline = useComputed(() => headlineOf(situationOf(page, refused))).value;
  if (!loaded) return <Plain words="Connecting" more="Loading devices and alerts" />;
  if (isLost(status.value)) return <Plain words="Not connected" more="What you see is the last known state" />;
  const { title, facts } = headline;
  return (
    <div class="headline" data-state={title.tone} data-about={title.about}>
      <h1>
        <HeadlineIcon tone={title.tone} />
        <a href={title.href}>{title.words}</a>
      </h1>
      {facts.length > 0 && (
        <ul class="facts" aria-label="Also">
          {facts.map((fact) => (
            <li key={fact.about}>
              <FactLink fact={fact} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Plain({ words, more }: { readonly words: string; readonly more: string }): JSX.Element {
  return (
    <div class="headline" data-state="quiet">
      <h1>{words}</h1>
      <p>{more}</p>
    </div>
  );
}

function FactLink({ fact: { about, words, href, tone } }: { readonly fact: Fact }): JSX.Element {
  return (
    <a class="fact" href={href} data-about={about} data-tone={tone}>
      {words}
    </a>
  );
}

type RefusedSignals = Readonly<Record<"deadLetters" | "dropped", ReturnType<typeof createRefused>>>;

function useRefused(): RefusedSignals {
  const { stats, nowUs } = usePage();
  return useMemo(
    () => ({
      deadLetters: createRefused(() => {
        const { rates, deadLettersByReason: byReason } = stats.figures.value ?? {};
        return { byReason, perSecond: rates?.deadLetters };
      }, nowUs),
      dropped: createRefused(() => {
        const { rates, dropped: byReason } = stats.figures.value ?? {};
        return { byReason, perSecond: rates?.dropped };
      }, nowUs),
    }),
    [stats, nowUs],
  );
}

function situationOf(page: Page, { deadLetters, dropped }: RefusedSignals): Situation {
  const { alerts, attention, census, devices, readiness, ruleFiles, stats } = page;
  const firing = { info: 0, warning: 0, critical: 0 };
  let [acknowledged, silenced, shadow] = [0, 0, 0];
  for (const { state, severity, incident, muted } of alerts.open.value) {
    if (state !== "firing") continue;
    const marked = attention.byIncident.value.get(incident);
    if (muted === true) shadow++;
    else if (marked?.acknowledgement !== undefined) acknowledged++;
    else if (marked !== undefined && marked.silencedBy.length > 0) silenced++;
    else firing[severity]++;
  }
  const parts = readiness.value === undefined ? [] : partsOf(readiness.value);
  const { errors: ruleErrors = 0, warnings = 0, quarantined = 0 } = ruleFiles.value ?? {};
  return {
    ...{ firing, acknowledged, silenced, shadow, pending: alerts.pending.value },
    ...{
      census: census.value,
      devicesBeyond: devices.overflow.value,
      ruleErrors,
      ruleWarnings: warnings - quarantined,
      quarantined,
    },
    notReady: parts.filter(({ ready }) => !ready).map(({ name, detail }) => `${name}: ${detail || "not ready"}`),
    // The errors themselves say more than the notice about them.
    notices: parts.flatMap(({ name, notice }) =>
      notice === undefined || (name === "processors" && ruleErrors + quarantined > 0) ? [] : [{ name, notice }],
    ),
    storageLag: stats.figures.value?.storageLag ?? 0,
    deadLetters: deadLetters.value,
    dropped: dropped.value,
  };
}

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Matchers, Silence } from "../../../contracts/notifications.ts";
import { wordsOf } from "../app/api-error.ts";
import { usePage } from "../app/page.ts";
import { formatAge, formatInstant } from "../lib/format.ts";

/** Present and future silences; nothing if there are none. */
export function SilenceList(): JSX.Element | null {
  const { attention } = usePage();
  const silences = attention.silences.value;
  if (silences.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="silences-title">
      <div class="panel-head">
        <h2 id="silences-title">Silences</h2>
        <span class="count">{silences.length}</span>
      </div>
      <ul class="silences">
        {silences.map((silence) => (
          <li key={silence.id}>
            <SilenceRow silence={silence} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function SilenceRow({ silence }: { readonly silence: Silence }): JSX.Element {
  const { attention, nowUs, settings, kiosk } = usePage();
  const problem = useSignal<string | undefined>(undefined);
  const zone = settings.zone.value;
  const now = nowUs.value;
  function end(): void {
    problem.value = undefined;
    attention.endSilence(silence.id, settings.who.peek() || "the page").catch((error) => {
      problem.value = wordsOf(error);
    });
  }
  return (
    <div class="silence" data-silence={silence.id}>
      <span class="silence-what">{matcherWords(silence.matchers)}</span>
      <span class="silence-why">
        {silence.why} · {silence.by}
      </span>
      <span class="silence-until" title={`until ${formatInstant(silence.untilUs, zone)}`}>
        {silence.fromUs > now
          ? `from ${formatInstant(silence.fromUs, zone)}`
          : `${formatAge(Math.ceil((silence.untilUs - now) / 60_000_000) * 60_000_000)} left`}
      </span>
      {!kiosk && (
        <button type="button" class="small-button" onClick={end}>
          End now
        </button>
      )}
      {problem.value !== undefined && (
        <span class="order-problem" role="alert">
          {problem.value}
        </span>
      )}
    </div>
  );
}

/** `rule cold-*, site north or south` */
export function matcherWords(matchers: Matchers): string {
  return Object.entries(matchers)
    .map(([name, pattern]) => `${name} ${[pattern].flat().join(" or ")}`)
    .join(", ");
}

import type { JSX } from "preact";
import { formatClock, formatSince, NO_VALUE, type Zone } from "../lib/format.ts";
import type { MetricTrack } from "../store/metric-track.ts";

const EARLIER_SHOWN = 8;

/** A metric whose values are words: the current one in large type, and the earlier ones. */
export function WordCard({ track, zone }: { readonly track: MetricTrack; readonly zone: Zone }): JSX.Element {
  track.version.value;
  const current = track.words.at(-1);
  const earlier = track.words.slice(-EARLIER_SHOWN - 1, -1).reverse();
  return (
    <section class="word" data-metric={track.metric}>
      <h2>{track.metric}</h2>
      <p class="word-current">{current?.word ?? NO_VALUE}</p>
      <p class="word-since">{current === undefined ? "" : `since ${formatClock(current.atUs, zone)}`}</p>
      <ol class="word-earlier" aria-label="Earlier values">
        {earlier.map(({ atUs, word }) => (
          <li key={atUs}>
            <span>{word}</span>
            <time>{formatSince(atUs, current?.atUs ?? atUs, zone)}</time>
          </li>
        ))}
      </ol>
    </section>
  );
}

import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { blocksOf, StateTimeline } from "../charts/state-timeline.tsx";
import { formatAge, formatInstant, formatSince, formatSpan, NO_VALUE, plural, type Zone } from "../lib/format.ts";
import type { Span } from "../lib/ranges.ts";
import { runAt } from "../lib/state-runs.ts";
import type { DeviceDetail } from "../store/device-detail.ts";
import type { MetricTrack } from "../store/metric-track.ts";

/** Steps of the time axis that are too small to see are not rendered. */
const STEPS = 1_000;
/** The colors of states in the style sheet. */
const COLORS = 6;
/** What is off has no color, and needs none. */
const LEGEND_MAX = COLORS + 1;

/** A metric whose values are words, such as a mode or a door: its state now, and its states over time. */
export function WordCard(props: {
  readonly detail: DeviceDetail;
  readonly track: MetricTrack;
  /** The range of the timeline while it follows the present. */
  readonly rangeUs: number;
  /** The chosen span of the past; undefined while the timeline follows the present. */
  readonly span: Span | undefined;
  readonly zone: Zone;
}): JSX.Element {
  const { detail, track, rangeUs, zone } = props;
  const { states } = track;
  const stepUs = Math.max(rangeUs / STEPS, 1);
  useComputed(() => Math.floor(detail.newestUs.value / stepUs)).value;
  // The version changes with each reading of any metric.
  useComputed(() => (track.version.value > 0 ? states.changes : 0)).value;
  const hovered = useSignal<number | undefined>(undefined);
  const colorOf = useColors();
  const newestUs = detail.newestUs.peek();
  const span = props.span ?? { fromUs: newestUs - rangeUs, toUs: newestUs + 1 };
  const index = hovered.value ?? runAt(states.runs, span.toUs - 1);
  const run = states.runs[index];
  const seen = states.runs.filter(({ fromUs }) => fromUs >= span.fromUs && fromUs < span.toUs).length;
  return (
    <section class="word" data-metric={track.metric} data-runs={seen}>
      <h2>{track.metric}</h2>
      <p class="word-current">{run?.word ?? NO_VALUE}</p>
      <p class="word-since">{run === undefined ? "" : whenWords({ states, index, span, zone })}</p>
      <StateTimeline
        states={states}
        span={span}
        colorOf={colorOf}
        label={describe(track, span, seen)}
        onHover={(next) => {
          hovered.value = next;
        }}
      />
      <p class="word-axis">
        <time>{formatInstant(span.fromUs, zone)}</time>
        {states.cut ? (
          <span>The oldest states do not fit: zoom in to see them.</span>
        ) : (
          <Legend words={blocksOf(states, span).map(({ run: { word } }) => word)} colorOf={colorOf} />
        )}
        <time>{props.span === undefined ? "now" : formatInstant(span.toUs, zone)}</time>
      </p>
    </section>
  );
}

/** `since 12:42`, or for a state that has ended `12:42 – 14:10 · 1 h 28 min`. */
function whenWords(options: {
  readonly states: MetricTrack["states"];
  readonly index: number;
  readonly span: Span;
  readonly zone: Zone;
}): string {
  const { states, index, span, zone } = options;
  const run = states.runs[index];
  if (run === undefined) return "";
  const next = states.runs[index + 1];
  const isOlder = index === 0 && states.beganBefore;
  const endUs = next === undefined ? span.toUs : next.fromUs;
  const began = formatSince(isOlder ? span.fromUs : run.fromUs, span.toUs, zone);
  if (next === undefined) return `since ${isOlder ? "before " : ""}${began}`;
  if (isOlder) return `until ${formatSince(endUs, span.toUs, zone)}`;
  return `${formatSpan(run.fromUs, endUs, zone)} · ${formatAge(endUs - run.fromUs)}`;
}

/** The timeline in words, for people who cannot see it. */
function describe({ metric, states }: MetricTrack, span: Span, seen: number): string {
  const last = states.runs[runAt(states.runs, span.toUs - 1)];
  return `${metric}: ${last?.word ?? "no value"} at the end, ${plural(seen, "change")} in this range`;
}

/** The values and their colors, because short blocks have no room for words. More values than colors share some. */
function Legend({ words, colorOf }: { readonly words: readonly string[]; colorOf(word: string): number }): JSX.Element {
  const values = [...new Set(words)];
  if (values.length > LEGEND_MAX) return <span>{plural(values.length, "value")}: point at a block to read it</span>;
  return (
    <span class="word-legend">
      {values.map((word) => (
        <span key={word} class="word-key" data-color={colorOf(word) + 1}>
          {word}
        </span>
      ))}
    </span>
  );
}

/**
 * A color for each value, in the order in which the values appear. They stay the same while the screen is open. What is
 * off has none.
 */
function useColors(): (word: string) => number {
  const colors = useRef(new Map<string, number>());
  return (word) => {
    const known = colors.current.get(word);
    if (known !== undefined) return known;
    if (word === "false") return -1;
    const next = colors.current.size % COLORS;
    colors.current.set(word, next);
    return next;
  };
}

import type { JSX } from "preact";
import { usePage } from "../app/page.ts";
import { formatInstant } from "../lib/format.ts";
import { RANGES, type Range, type Span, spanAround } from "../lib/ranges.ts";

/** Chooses the span of the charts: a range up to now, or a span of the past, which can be moved and zoomed. */
export function RangeBar(props: {
  readonly range: Range | undefined;
  readonly span: Span | undefined;
  newestUs(): number;
  onRange(range: Range): void;
  onSpan(span: Span): void;
}): JSX.Element {
  const { range, span, newestUs, onRange, onSpan } = props;
  function shown(): Span {
    return span ?? spanAround(newestUs() - (range?.us ?? 0) / 2, range?.us ?? 0);
  }
  function zoom(by: number): void {
    const { fromUs, toUs } = shown();
    onSpan(spanAround((fromUs + toUs) / 2, (toUs - fromUs) * by));
  }
  function move(share: number): void {
    const { fromUs, toUs } = shown();
    onSpan(spanAround((fromUs + toUs) / 2 + (toUs - fromUs) * share, toUs - fromUs));
  }
  return (
    <div class="range-bar">
      <fieldset class="ranges">
        <legend class="visually-hidden">Time range</legend>
        {RANGES.map((one) => (
          <button
            key={one.id}
            type="button"
            aria-pressed={span === undefined && range?.id === one.id}
            onClick={() => onRange(one)}
          >
            {one.label}
          </button>
        ))}
      </fieldset>
      <div class="range-past">
        <button type="button" class="small-button" onClick={() => move(-0.5)} aria-label="Earlier" title="Earlier">
          ←
        </button>
        <button type="button" class="small-button" onClick={() => zoom(2)} aria-label="Zoom out" title="Zoom out">
          −
        </button>
        <button type="button" class="small-button" onClick={() => zoom(0.5)} aria-label="Zoom in" title="Zoom in">
          +
        </button>
        <button
          type="button"
          class="small-button"
          onClick={() => move(0.5)}
          aria-label="Later"
          title="Later"
          disabled={span === undefined}
        >
          →
        </button>
        <RangeWords span={span} onLive={() => onRange(range ?? RANGES[1])} />
      </div>
    </div>
  );
}

function RangeWords({ span, onLive }: { readonly span: Span | undefined; onLive(): void }): JSX.Element {
  const { settings } = usePage();
  const zone = settings.zone.value;
  if (span === undefined) return <span class="range-words">Live. Drag over a chart to zoom in.</span>;
  return (
    <>
      <span class="range-words">
        {formatInstant(span.fromUs, zone)} – {formatInstant(span.toUs, zone)}
      </span>
      <button type="button" class="small-button live-button" onClick={onLive}>
        Back to live
      </button>
    </>
  );
}

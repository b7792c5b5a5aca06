import type { ReadingValue, Tags } from "../../domain/reading.ts";
import { kindOf } from "../../domain/reading.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { compileSelector } from "../../rule-language/spec/selector.ts";
import { labelsOf, type Moment, READING_FIELDS, SERIES_FIELDS, type TestCase, type TestEvent } from "./format.ts";

export interface TestReading {
  readonly device: string;
  readonly metric: string;
  readonly tags: Tags;
  readonly atUs: number;
  readonly value: ReadingValue;
}

/** An action on the processor at a processing time. */
export type Action =
  | { readonly kind: "readings"; readonly atUs: number; readonly readings: readonly TestReading[] }
  | { readonly kind: "edit"; readonly atUs: number; readonly specs: readonly RuleSpec[] }
  | { readonly kind: "restart" | "tick"; readonly atUs: number }
  /** The processor is down until then, so no time passes for it. */
  | { readonly kind: "down"; readonly atUs: number; readonly untilUs: number };

interface Arrival {
  readonly arrivesUs: number;
  readonly reading: TestReading;
}

export function toUs(moment: Moment, startUs: number): number {
  return moment.kind === "after" ? startUs + moment.us : moment.us;
}

/**
 * The actions of a test, in order. The readings of one instant are in one action, in the order of their series, after
 * the events of that instant. `edits`: the rule set after each `edit` event, by the event's index.
 */
export function scheduleOf(test: TestCase, edits: ReadonlyMap<number, readonly RuleSpec[]>): Action[] {
  const { start: startUs, events } = test;
  const downs = events.flatMap((event) => {
    const fromUs = toUs(event.at, startUs);
    return event.down === undefined ? [] : [{ fromUs, untilUs: fromUs + event.down }];
  });
  const byTime = new Map<number, TestReading[]>();
  for (const { arrivesUs, reading } of arrivals(test)) {
    // Readings wait for the end of an outage. Another outage can follow directly.
    let atUs = arrivesUs;
    for (const down of downs.toSorted((a, b) => a.fromUs - b.fromUs)) {
      if (atUs >= down.fromUs && atUs < down.untilUs) atUs = down.untilUs;
    }
    const together = byTime.get(atUs);
    if (together) together.push(reading);
    else byTime.set(atUs, [reading]);
  }
  const actions: Action[] = events.flatMap((event, place) =>
    actionOf(event, toUs(event.at, startUs), edits.get(place)),
  );
  for (const [atUs, readings] of byTime) actions.push({ kind: "readings", atUs, readings });
  // Sorting is stable, so events stay before readings.
  return actions.sort((a, b) => a.atUs - b.atUs);
}

function actionOf(event: TestEvent, atUs: number, edited: readonly RuleSpec[] | undefined): Action[] {
  if (edited !== undefined) return [{ kind: "edit", atUs, specs: edited }];
  if (event.restart) return [{ kind: "restart", atUs }];
  if (event.tick) return [{ kind: "tick", atUs }];
  if (event.down !== undefined) return [{ kind: "down", atUs, untilUs: atUs + event.down }];
  return [];
}

function* arrivals(test: TestCase): Iterable<Arrival> {
  const { start: startUs, events } = test;
  const disturbances = events.map((event) => disturbanceOf(event, startUs));
  for (const series of test.series) {
    const tags = labelsOf(series, SERIES_FIELDS);
    const { device, metric } = series;
    const fromUs = series.from === undefined ? startUs : toUs(series.from, startUs);
    for (const [i, value] of series.values.entries()) {
      if (value === undefined) continue;
      const reading = { device, metric, tags, atUs: fromUs + i * series.every, value };
      let arrivesUs = reading.atUs + (series.arrives ?? 0);
      let copies = series.duplicate ? 2 : 1;
      for (const disturb of disturbances) {
        const effect = disturb(reading);
        arrivesUs += effect.laterUs;
        if (effect.missing) copies = 0;
        else if (effect.twice) copies = Math.min(copies * 2, 2);
      }
      for (let copy = 0; copy < copies; copy++) yield { arrivesUs, reading };
    }
  }
  for (const { at, reading } of events) {
    if (reading === undefined) continue;
    const { device, metric, value, observed } = reading;
    const arrivesUs = toUs(at, startUs);
    const atUs = observed === undefined ? arrivesUs : toUs(observed, startUs);
    yield { arrivesUs, reading: { device, metric, tags: labelsOf(reading, READING_FIELDS), atUs, value } };
  }
}

interface Effect {
  readonly laterUs: number;
  readonly missing: boolean;
  readonly twice: boolean;
}

const NO_EFFECT: Effect = { laterUs: 0, missing: false, twice: false };

function disturbanceOf(event: TestEvent, startUs: number): (reading: TestReading) => Effect {
  const { late, missing, duplicate } = event;
  const stretch = late ?? missing ?? duplicate;
  if (stretch === undefined) return () => NO_EFFECT;
  const fromUs = toUs(event.at, startUs);
  const selector = compileSelector(stretch.where, { onlyNumbers: false });
  const effect = { laterUs: late?.by ?? 0, missing: missing !== undefined, twice: duplicate !== undefined };
  return ({ device, metric, tags, atUs, value }) => {
    if (atUs < fromUs || atUs >= fromUs + stretch.for) return NO_EFFECT;
    return selector.matches({ device, metric, tags, kind: kindOf(value) }) ? effect : NO_EFFECT;
  };
}

import type { SourceInForce } from "../../contracts/sources.ts";
import { topicsOf } from "../mapping/source-plan.ts";
import { shownName } from "../names/names.ts";
import type { Source } from "./compiled-source.ts";

/** After as many messages, it is no accident. */
const MESSAGES_MIN = 100;

export type SourceWarning = SourceInForce["warnings"][number];

/** What a source has done so far, and what is probably wrong with it. */
export function sourceInForce(source: Source): SourceInForce {
  const { plan, usage } = source;
  const { format, ignore } = plan.config;
  return {
    topics: [...topicsOf(plan.config)],
    format: typeof format === "string" ? format : (Object.keys(format)[0] ?? ""),
    ignored: ignore,
    messages: usage.messages,
    readings: usage.readings,
    warnings: ignore ? [] : warningsOf(source),
  };
}

function warningsOf({ plan, usage }: Source): SourceWarning[] {
  const { timestamp } = plan.config;
  const field = timestamp === "received" ? undefined : timestamp.field;
  const warnings: SourceWarning[] = [];
  if (field !== undefined && usage.withReadings >= MESSAGES_MIN && plan.rules.times.seen === 0) {
    const message = `none of ${usage.withReadings} messages had its time in ${shownName(field)}, so their readings have the time of receipt; correct timestamp.field, or remove it`;
    warnings.push({ code: "time-never-seen", message });
  }
  if (usage.messages >= MESSAGES_MIN && usage.readings === 0) {
    const message = `none of ${usage.messages} messages had a reading; correct what selects them (metrics, drop, each, value), or write ignore: true`;
    warnings.push({ code: "no-readings", message });
  }
  return warnings;
}

const PERIOD_MS = 5_000;

interface WarningEvents {
  sourceWarned(source: string, warning: SourceWarning): void;
  /** How many sources have a warning now, by its code. */
  sourcesWarned(counts: Readonly<Record<string, number>>): void;
}

/** Logs each warning once, and counts them. Returns a function that stops it. */
export function watchSources(sources: () => readonly Source[], events: WarningEvents): () => void {
  let logged = new Map<Source, ReadonlySet<string>>();
  function look(): void {
    const now = new Map<Source, ReadonlySet<string>>();
    const counts: Record<string, number> = {};
    for (const source of sources()) {
      const { topics, warnings } = sourceInForce(source);
      for (const warning of warnings) {
        counts[warning.code] = (counts[warning.code] ?? 0) + 1;
        if (!logged.get(source)?.has(warning.code)) events.sourceWarned(topics.join(", "), warning);
      }
      now.set(source, new Set(warnings.map(({ code }) => code)));
    }
    logged = now;
    events.sourcesWarned(counts);
  }
  const timer = setInterval(look, PERIOD_MS);
  timer.unref();
  return () => clearInterval(timer);
}

import { setImmediate } from "node:timers/promises";
import { SOURCES_TRY } from "../../contracts/trials.ts";
import { letterAt } from "../../platform/dead-letter-log.ts";
import type { Log } from "../../platform/log/port.ts";
import type { SharedState } from "../mapping/decoder.ts";
import type { SourceConfig } from "../mapping/source-fields.ts";
import { PRESET_NAMES } from "../presets/presets.ts";
import { presetAsWritten } from "./preset-sources.ts";
import { trialReport } from "./report.ts";

interface Options {
  readonly sources: () => readonly SourceConfig[];
  readonly shared: SharedState;
  readonly onRefused: (error: unknown) => void;
}

/** Answers what the sources in force make of dead letters. Returns a function that stops it. */
export function answerTrials(log: Log, { sources, shared, onRefused }: Options): () => void {
  async function answer({ sequence }: { readonly sequence: number }) {
    const kept = await letterAt(log, sequence);
    if (kept === undefined) return null;
    // One at a time: messages of devices come between.
    for (const name of PRESET_NAMES) {
      presetAsWritten(name);
      await setImmediate();
    }
    return trialReport(kept.letter, sources(), shared);
  }
  return log.bus.respond(SOURCES_TRY, answer, onRefused);
}

import type { PayloadLimits } from "../formats/format.ts";
import { decoderOf, type SharedState } from "../mapping/decoder.ts";
import type { Decode } from "../mapping/rules.ts";
import type { SourceConfig } from "../mapping/source-fields.ts";
import { compileSource, type SourcePlan } from "../mapping/source-plan.ts";

/** What a source has done since it is in force. */
export interface SourceUsage {
  messages: number;
  /** Messages with a reading at least. */
  withReadings: number;
  readings: number;
}

/** A source in force. */
export interface Source {
  readonly plan: SourcePlan;
  readonly decode: Decode;
  /** Its settings as a text: a source with the same ones goes on as it is. */
  readonly key: string;
  readonly usage: SourceUsage;
}

/**
 * Compiles sources. One that is also among `before` is taken over, with what it knows about its devices' clocks.
 * Throws RangeError for settings that cannot be compiled.
 */
export function compileSources(
  sources: readonly SourceConfig[],
  { limits, shared, before = [] }: CompileOptions,
): readonly Source[] {
  // Two equal sources must not share one object.
  const known = [...before];
  return sources.map((config): Source => {
    const key = JSON.stringify([config, limits]);
    const at = known.findIndex((source) => source.key === key);
    const [same] = at < 0 ? [] : known.splice(at, 1);
    if (same !== undefined) return same;
    const plan = compileSource(config, limits);
    const usage = { messages: 0, withReadings: 0, readings: 0 };
    return { plan, decode: decoderOf(plan, limits, shared), key, usage };
  });
}

interface CompileOptions {
  readonly limits: PayloadLimits;
  readonly shared: SharedState | undefined;
  readonly before?: readonly Source[];
}
